"""The benchmarks run and measure what they say. How fast they find it is never a test."""

import json
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tests import child
from tests.benchmarks import (
    adam,
    derivations,
    estimators,
    experiment,
    frameworks,
    gradient_checks,
    growth,
    inference,
    memory,
    mini_batches,
    picture,
    report,
    small_program,
    small_step,
    stores,
    targets,
    threads,
    transforms,
    wrong_lines,
)
from tests.benchmarks import images as benchmarked_images
from tests.benchmarks.__main__ import MEASUREMENTS
from tests.benchmarks.case import Case, installed
from tests.benchmarks.ratios import rows
from tests.benchmarks.setting import assert_same, setting
from tests.benchmarks.timing import BEGUN, alternating, seconds_a_sample
from tests.verify.derivation_corpus import files, wrong

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module", autouse=True)
def frameworks_loaded():
    """Load what is installed before the first test: JAX seeds NumPy's generator when loaded."""
    for load in (threads.jax, threads.pytorch):
        with suppress(ModuleNotFoundError):
            load()


# -- contenders compute the same ------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_all_contenders_train_the_experiment_to_the_same_weights(dtype):
    given = setting(1, dtype, "made")
    trainers, missing = installed(experiment.CONTENDERS, given)
    assert {"tinygrad_mlp", targets.CLASSIC, "NumPy by hand, BLAS ger"} <= set(trainers)
    assert set(trainers) | set(missing) == set(experiment.CONTENDERS)
    experiment.check(trainers, given, samples=16)


@pytest.mark.parametrize("size", [8, 32])
def test_all_contenders_train_on_mini_batches_to_the_same_weights(size):
    given = setting(size, source="made")
    trainers, missing = installed(mini_batches.CONTENDERS, given)
    assert {"tinygrad_mlp", "NumPy by hand", "scikit-learn"} <= set(trainers)
    assert set(trainers) | set(missing) == set(mini_batches.CONTENDERS)
    mini_batches.check(trainers, given)


def test_all_contenders_differentiate_the_network_that_stores_its_states():
    made, missing = installed(stores.CONTENDERS, stores.Setting(20))
    assert {"tinygrad_mlp", targets.DECORATOR, targets.LIST} <= set(made)
    assert set(made) | set(missing) == set(stores.CONTENDERS)
    stores.check(made)


@pytest.mark.parametrize("factor", [1.001, 0.0])
def test_a_contender_that_computes_something_else_is_found(factor):
    given = setting(8, np.float64, "made")
    right = frameworks.numpy_by_hand(given)

    def wrong(samples):
        return [old + factor * (new - old)
                for new, old in zip(right(samples), given.weights, strict=True)]

    with pytest.raises(AssertionError, match="wrong"):
        assert_same({"right": right, "wrong": wrong}, 32, given, "right")


def test_a_contender_of_another_precision_is_found():
    given = setting(8, source="made")
    double = frameworks.numpy_by_hand(setting(8, np.float64, "made"))
    with pytest.raises(AssertionError, match="double: float64"):
        assert_same({"right": frameworks.numpy_by_hand(given), "double": double}, 8, given, "right")


def test_all_contenders_of_the_small_step_compute_the_same_gradients():
    steps, missing = installed(small_step.CONTENDERS)
    assert {"NumPy by hand", "tinygrad_mlp", "tinygrad_mlp, operators"} <= set(steps)
    assert set(steps) | set(missing) == set(small_step.CONTENDERS)
    small_step.check(steps)


def test_all_contenders_of_the_small_program_keep_to_the_same_parameters():
    steps, missing = installed(small_program.CONTENDERS)
    assert {"tinygrad_mlp", "tinygrad_mlp, eager", "NumPy by hand, buffers"} <= set(steps)
    assert set(steps) | set(missing) == set(small_program.CONTENDERS)
    small_program.check(steps)


def test_all_contenders_of_the_transforms_compute_the_same():
    for makers, *kind in ((transforms.CHAINS,), *((transforms.MATRICES, k) for k in (
            "Jacobian", "Hessian"))):
        steps, missing = installed(makers, *kind)
        assert "tinygrad_mlp" in steps and set(steps) | set(missing) == set(makers)
        transforms.check(steps)


@pytest.mark.parametrize("kind", targets.POOLING)
def test_both_pool_to_the_same_gradient(kind):
    steps, _ = installed(benchmarked_images.POOLINGS, kind)
    found = [np.asarray(step()) for step in steps.values()]
    for gradient in found:
        np.testing.assert_allclose(gradient, found[0])


def test_both_train_with_adam_to_the_same_weights():
    given = setting(32, source="made")
    trainers, _ = installed(adam.CONTENDERS, given)
    adam.check(trainers, given)


def test_all_contenders_predict_the_same():
    given = setting(inference.IMAGES, source="made")
    predictors, missing = installed(inference.CONTENDERS, given)
    assert {"tinygrad_mlp", "NumPy by hand", "scikit-learn"} <= set(predictors)
    assert set(predictors) | set(missing) == set(inference.CONTENDERS)
    inference.check(predictors)


@pytest.mark.parametrize("name", estimators.WORK)
def test_both_kinds_of_estimators_train_to_the_same_weights(name):
    X, y = estimators.samples(estimators.WORK[name].data, "made")
    estimators.check(name, X[:200], y[:200])
    times, scores = estimators.measured(name, X[:100], y[:100], rounds=1)
    assert set(times) == set(scores) == set(estimators.CONTENDERS)


def test_the_checks_of_gradients_that_are_timed_succeed():
    sample = gradient_checks.Sample((6, 4, 3))
    functions, _ = installed(gradient_checks.CONTENDERS, sample)
    gradient_checks.check(functions, sample)


def test_the_search_for_a_wrong_line_is_timed_next_to_one_call():
    exercise = next(wrong(next(path for path in files("tune") if path.stem == "softmax_rows")))
    call, check, search = wrong_lines.seconds(exercise)
    assert 0 < call < check and call < search


def test_a_derivation_that_is_timed_has_a_closed_form():
    assert derivations.seconds(*derivations.network(2)) > 0
    assert derivations.seconds(*derivations.recurrent(4)) > 0


# -- measuring ------------------------------------------------------------------------------


def test_alternating_measures_each_function_and_tells_slow_from_fast():
    array = np.ones(200_000)
    times = alternating(
        {"little": lambda: array[:10].sum(), "much": lambda: np.sort(array[::-1])},
        rounds=3, seconds=0.002,
    )
    assert times["much"] > times["little"] > 0


def test_ours_is_measured_over_two_lengths_and_the_others_over_theirs():
    lengths = {"tinygrad_mlp": set(), "other": set()}
    trainers = {name: seen.add for name, seen in lengths.items()}
    medians, _ = seconds_a_sample(trainers, {"tinygrad_mlp": 30, "other": 20}, quick=True)
    assert lengths == {"tinygrad_mlp": {30, 60}, "other": {20}}
    assert list(medians) == ["tinygrad_mlp", "other", BEGUN]


def test_a_framework_that_is_not_installed_is_missing_and_no_error():
    def make():
        import a_framework_that_nobody_has  # noqa: F401

    assert installed({"theirs": make, "ours": lambda: 1}) == ({"ours": 1}, ["theirs"])


def test_a_module_of_ours_that_is_not_there_is_an_error():
    def make():
        import tests.benchmarks.no_such_module  # noqa: F401

    with pytest.raises(ModuleNotFoundError):
        installed({"ours": make})


def test_growth_of_a_chain_is_a_ratio_of_times():
    assert growth.chain_growth(length=200, repeats=1) > 0


def test_more_layers_hold_more_memory():
    assert growth.network_memory(layers=4, width=64, samples=64) > growth.network_memory(
        layers=1, width=64, samples=64
    )


def test_the_most_memory_held_never_shrinks():
    peaks = memory.peaks_alone(128, images=256)
    assert len(peaks) == 5  # with the data, and after each of four epochs
    assert peaks == sorted(peaks)


# -- the table ------------------------------------------------------------------------------


def made_up(speed, threads=(1, 2)):
    """Results in which we are `speed` times as fast as everyone, and MyGrad is missing."""
    cases = {}
    for target in targets.ALL:
        if target.other:
            unit = "sample" if target.case not in targets.COSTS else "step"
            case = cases.setdefault(target.case, Case(target.case, {target.ours: 1e-5}, unit))
            case.medians[target.other] = speed * 1e-5
        else:
            case = cases.setdefault(target.case, Case(target.case, {}, "MB"))
            case.medians[target.ours] = 0.5 / speed
    cases[targets.mini_batch(8)].missing.append("MyGrad")
    machine = {"cpu": "a processor", "cores": 2, "system": "Linux", "blas": "openblas",
               "versions": {"numpy": "2.0"}}
    runs = [{"threads": n, "cases": [asdict(case) for case in cases.values()]} for n in threads]
    return {"machine": machine, "quick": True, "cpu": False, "images": "made", "runs": runs}


@pytest.mark.parametrize(("speed", "verdict"), [(1000.0, "met"), (0.001, "MISSED")])
def test_every_target_is_a_row_with_its_verdict(speed, verdict):
    found = rows(made_up(speed)["runs"])
    assert {row.target for row in found} >= set(targets.ALL)
    assert all(row.verdict == verdict for row in found if row.target is not None)


def test_a_target_must_be_met_with_each_number_of_threads():
    results = made_up(1000.0)
    for case in results["runs"][1]["cases"]:
        if case["name"] == targets.INFERENCE:
            case["medians"]["PyTorch eager"] = 0.5e-5
    (row,) = (row for row in rows(results["runs"]) if row.case == targets.INFERENCE)
    assert row.values == {1: pytest.approx(1000.0), 2: 0.5}
    assert (row.best, row.verdict) == (0.5, "MISSED")
    assert report.losses(results) == [
        "inference, 10,000 images: PyTorch eager is faster, 2 × (2 threads)"
    ]


def test_a_target_whose_framework_is_missing_says_so():
    results = made_up(1000.0)
    for run in results["runs"]:
        for case in run["cases"]:
            case["medians"].pop("PyTorch eager", None)
    verdicts = {row.verdict for row in rows(results["runs"]) if row.other == "PyTorch eager"}
    assert verdicts == {"missing"}


@pytest.mark.parametrize("threads", [(1,), (1, 2)])
def test_the_table_has_every_target_and_fits_on_a_terminal(threads):
    lines = report.table(made_up(1000.0, threads)).splitlines()
    assert max(map(len, lines)) <= 80
    for target in targets.ALL:
        name = target.other or target.ours
        shown = [line for line in lines if line.startswith(f"  {name}  ") or name in line]
        assert any(str(target) in line and line.endswith("met") for line in shown), name
    assert any(line.split() == ["MyGrad", "not", "installed"] for line in lines)


def test_the_table_says_which_number_of_threads_is_better():
    assert report.better({1: 1.0, 2: 2.0}) == "1"
    assert report.better({1: 1.0, 2: 0.5}) == "2"
    assert report.better({1: 1.0, 2: 1.01}) == "same"


def test_markdown_lists_every_target_and_where_we_lose():
    text = report.markdown(made_up(0.001))
    tables, _, lost = text.partition("## Where we lose")
    for target in targets.ALL:
        assert f"| {target.other or target.ours} |" in tables
        if target.other and target.other not in (targets.BATCH_1024, targets.PRODUCTS):
            assert f"- {target.case}: {target.other} is faster, 1000 × (1 thread)" in lost
    assert "nowhere in this run" in report.markdown(made_up(1000.0))


def test_markdown_says_which_clock_measured():
    results = made_up(2.0)
    assert "the time of the clock on a processor" in report.markdown(results)
    assert "the time of the processor on a processor" in report.markdown(results | {"cpu": True})


def test_the_page_gets_the_tables_of_a_run_and_keeps_its_text():
    text = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    results = made_up(1000.0)
    made = report.page(text, results)
    head, middle, tail = made.partition(report.markdown(results))
    assert middle and text.startswith(head) and text.endswith(tail)
    assert len(head) > 500 and len(tail) > 500
    assert report.page(made, results) == made


def test_the_picture_shows_each_comparison(tmp_path):
    results = made_up(2.0)
    picture.draw(results, tmp_path / "ratios.png")
    assert (tmp_path / "ratios.png").read_bytes()[:4] == b"\x89PNG"


def test_each_measurement_has_a_module_with_its_targets():
    found = [import_module(f"tests.benchmarks.{name}").TARGETS for name in MEASUREMENTS]
    assert sorted(map(str, sum(found, ()))) == sorted(map(str, targets.ALL))


# -- the command ----------------------------------------------------------------------------


def run(*arguments):
    return child.python("-m", "tests.benchmarks", *arguments, cwd=ROOT, timeout=600)


@pytest.mark.parametrize("name", ["stores", "gradient_checks"])
def test_every_contender_that_was_measured_has_a_ratio(name):
    cases = import_module(f"tests.benchmarks.{name}").measure(quick=True)
    found = rows([{"threads": 1, "cases": [asdict(case) for case in cases]}])
    missing = {other for case in cases for other in case.missing}
    # Where all others are missing, there is nothing to compare with.
    whole = {case.name for case in cases if not case.missing}
    assert whole <= {row.case for row in found} <= {case.name for case in cases}
    assert {row.other for row in found if not row.values} <= missing


def test_the_command_prints_the_table_and_writes_its_files(tmp_path):
    paths = {name: tmp_path / f"out.{name}" for name in ("json", "md", "png")}
    done = run(
        "--quick", "--only", "small_graphs,import_time", "--json", paths["json"],
        "--markdown", paths["md"], "--picture", paths["png"],
    )
    assert done.returncode == 0, done.stderr
    assert all(path.stat().st_size for path in paths.values())
    results = json.loads(paths["json"].read_text())
    assert {"cpu", "cores", "blas", "versions", "system"} <= set(results["machine"])
    for measured in results["runs"]:
        assert measured["threads"] == 1
        assert {library["num_threads"] for library in measured["libraries"]} == {1}
    assert {row.case for row in rows(results["runs"])} == {
        targets.SMALL_STEP, targets.SMALL_PROGRAM, "import"
    }
    assert "import tinygrad_mlp / import numpy" in done.stdout


def test_an_unknown_measurement_is_refused_with_the_names_that_are_known():
    done = run("--only", "speed")
    assert done.returncode == 2
    assert "unknown: speed; choose from experiment, mini_batches" in done.stderr
