"""A planted mistake of each kind that the search for the wrong line knows, and its repair."""

from __future__ import annotations

import builtins
import inspect
import linecache
from types import SimpleNamespace

import numpy as np
import pytest

from tests.verify.derivation_corpus import FOLDER, wrong
from tinygrad_mlp.classroom.exercises import exercise
from tinygrad_mlp.verify import check_derivation
from tinygrad_mlp.verify.wrong_line.expressions.recorded_rules import functions_of_one
from tinygrad_mlp.verify.wrong_line.recording.shared_data import SharedData

REPAIRS = {
    "dilated_conv-2": "pos = t * stride + dil * j",
    "gmm_log_scales-1": "g_logjoint = -resp / N",
    "graph_attention_nodes-3": 'graw = gscore * np.where(s["raw"] > 0, 1, SLOPE)',
    "graph_attention_nodes-6": "go /= len(target)",
    "hmm_forward_log-1": "came_from = np.exp(pair - lse(pair, 0)[None, :])",
    "lambda_pairs-3": "lam[j] += push",
    "rms_glu-1": "return (u_ - u * (u * u_).mean(1, keepdims=True)) / r",
    "rms_glu-3": "gate_ = s_ * s * (1 - s)",
    "tconv_decoder-1": "dfull[:, :, PAD:-PAD] = dy",
    "tconv_decoder-2": "window = dfull[:, :, i * ST:i * ST + KS]",
    "attention_helper-2": "return a * (da - (da * a).sum(axis=-1, keepdims=True))",
    "bradley_terry_ties-5": "dlose = lose - (r == -1)",
    "center_loss_triples-3": "dC[a] += w * r\ndC[b] -= w * r",
    "center_loss_triples-8": "dC[cls[i]] -= 2 * diff / n",
    "cosine_contrast-2": "return (d - u * np.sum(d * u, axis=1, keepdims=True)) / r",
    "cox_survival-1": "risk = np.cumsum(e[::-1])[::-1]",
    "crf_three_tags-9": "dU = marg.copy()\ndU[np.arange(len(tags)), tags] -= 1",
    "crf_three_tags-11": "for t in range(n - 2, -1, -1):",
    "crf_two_tags-5": "dA[i, j] -= 1",
    "dot_product_ranker-8": "dQ += 2 * lam * Q\ndP += 2 * lam * P",
    "embedding_mean_pool-5": "dlogits[np.arange(n_docs), labels] -= 1",
    "embedding_mean_pool-7": "np.add.at(demb, ids, g / len(ids))",
    "gru_batch_targets-4": "dh_next = dh * z + dz @ Uz.T + dr @ Ur.T + r * drh",
    "gru_batch_targets-7": "dh = (hs[t + 1] - ys[t]) / B + dh_next",
    "gru_two_steps-4": "dprev = dprev + (Wz.T @ daz)[:3] + (Wr.T @ dar)[:3]",
    "layer_norm_steps-4": "dmu = -dxmu1.sum(1, keepdims=True)",
    "gaussian_precision-5": "S = delta.T @ delta",
    "gaussian_precision-7": "dLam += 0.5 * nu * np.eye(d)",
    "gcn_dropout_l2-6": "dpre = dH * drop * (H > 0)",
    "gru_batch_targets-6": 'grads["Un"] += (hp * r).T @ dn',
    "gp_rbf_evidence-5": "dK_sn = 2 * (sn2 * np.eye(n))",
    "gru_two_steps-1": "dz = dh * (c - h)",
    "huber_scale-2": "psi[far] = delta * np.sign(eps[far])",
    "huber_scale-3": "far = np.abs(eps) > delta",
    "kalman_reverse_sweep-6": "dmp = -de + dm",
    "low_rank_swish-9": "dlow = scale * (dpre @ B.T)",
    "mixture_em-8": "r = joint / joint.sum(axis=1, keepdims=True)",
    "mixture_density_net-5": "grads[name] = H.T @ out[name] + 0.02 * P",
    "multinomial_availability-6": "d_bt -= wi * (time[i, k] - share @ time[i])",
    "negative_binomial_counts-1": "u = (y - mu) * (r / (mu + r))",
    "negative_binomial_counts-4": "gb[1:] += tau * beta[1:]",
    "policy_gradient_entropy-6":
        "dlogits = probs.copy()\ndlogits[np.arange(len(actions)), actions] -= 1",
    "rnn_every_step-5": "dy[ys[t]] -= 1\ndy /= T",
    "rnn_every_step-7": "dy = np.copy(ps[t])\ndy[ys[t]] -= 1",
    "seq_labeling_outer-1": "gA = np.outer(d3, h2) + np.outer(d2, h1)",
    "seq_labeling_outer-2":
        "gA = np.outer(d3, h2) + np.outer(d2, h1) + np.outer(d1, h0)",
    "squeeze_excite_depthwise-6":
        'g_dw = np.stack([np.correlate(x[c], g_feat[c], mode="valid") for c in range(3)])',
    "student_t_nll-1": "w = (nu + 1) / (s2 * nu + res**2)",
    "tied_embeddings_lm-4": "for position in range(2):",
    "bn_one_formula_softmax-4": "istd = 1 / np.sqrt(A.var(0) + eps)",
    "chain_forward_loops-4": "grad_trans[j][k] += flow",
    "focal_class_weights-1": "alpha = cw / cw.sum()",
    "group_standardise_loops-4": "d_sd = -(d_norm * dev).sum() / sd ** 2",
    "group_standardise_loops-6": "d_F[idx, j] = d_dev + d_mean / size",
    "low_rank_gaussian-5": "C_bar = (RC_bar * R).sum(axis=0) + (V * VM).sum(1)",
    "neural_tensor_pairs-4":
        'dx = np.einsum("nk,kij,nj->ni", dpre, W, y) + dxy[:, :d]',
    "policy_baseline_entropy-2": "dz_ent = CE * probs * (logs + ent[:, None]) / steps",
    "siamese_cosine-3": 'dlen_left = dlengths * right["len"]',
    "triplet_shared_map-2": "dp = -2 * (a - p) * weight",
    "triplet_shared_map-3": "weight = active[:, None] / len(anchor)",
    "triplet_shared_map-7": "active = sq_dist(a, p) - sq_dist(a, n) + alpha > 0",
    "triplet_shared_map-4": "weight = active[:, None] / len(active)"}
"""The repair that is shown, by the mistake of the corpus. It stands in the person's own writing."""


@pytest.mark.parametrize("name", REPAIRS)
def test_the_wrong_line_is_shown_with_a_repair(name):
    stem, _, number = name.rpartition("-")
    case = list(wrong(FOLDER / "tune" / f"{stem}.py"))[int(number) - 1]
    found = check_derivation(case.loss, case.derived, case.point(0), budget=60).culprit
    assert found.line in case.lines
    assert found.repair == REPAIRS[name]


def test_the_last_value_of_a_prompt_is_not_part_of_a_repair(monkeypatch):
    monkeypatch.setattr(builtins, "_", 2, raising=False)  # as after print of 2; DIL1 is 2, too
    test_the_wrong_line_is_shown_with_a_repair("dilated_conv-2")


def of_exercise(name, *changes):
    """Return the wrong line that is found in an exercise's program after changes of its text."""
    program, names = exercise(name), {}
    for right, wrong_text in changes:
        assert program.count(right) == 1
        program = program.replace(right, wrong_text)
    filename = f"<{name} {hash(program)}>"
    linecache.cache[filename] = (len(program), None, program.splitlines(True), filename)
    exec(compile(program, filename, "exec"), names)
    point = {p: names[p] for p in inspect.signature(names["loss"]).parameters}
    found = check_derivation(names["loss"], names["derived"], point, budget=60).culprit
    return program.splitlines()[found.line - 1].strip(), found


MORE = [
    ("deep_linear_dict", 'np.dot(W3, cache["A2"]) + b3', 'np.dot(W3, cache["A2"])',
     'cache["A3"] = sigmoid(np.dot(W3, cache["A2"]) + b3)'),
    ("kernel_ard_ridge", "diff2 = (X[:, None, :] - X[None, :, :]) ** 2",
     "diff2 = X[:, None, :] - X[None, :, :]", "diff2 = (X[:, None, :] - X[None, :, :]) ** 2"),
    ("layer_norm_steps", "dvar = 0.5 * dstd / std", "dvar = 0.5 * dstd",
     "dvar = 0.5 * dstd * ivar"),
    ("lstm_cache_list", "in reversed(caches)", "in caches",
     "for x, h0, c0, i, f, o, g, tc, h, err in reversed(caches):"),
    ("lstm_cache_list", "        dw += err * h\n", "", "dw += err * h\ndh = err * w + dh_next"),
    ("tree_softmax_cbow", "np.outer(neu1, gpre)\n", None,
     "gpre = neu1e * (1 - hid * hid)\ngP += np.outer(neu1, gpre)")]
"""A file of the corpus, its right text, a wrong one (None: the line is missing), the repair."""


@pytest.mark.parametrize(("stem", "right", "wrong_text", "repair"), MORE)
def test_what_random_changes_of_right_derivations_showed_is_found(stem, right, wrong_text, repair):
    lines = (FOLDER / "tune" / f"{stem}.py").read_text().partition("MISTAKES")[0].splitlines(True)
    if wrong_text is None:
        program = "".join(line for line in lines if not line.endswith(right))
    else:
        assert "".join(lines).count(right) == 1
        program = "".join(lines).replace(right, wrong_text)
    filename, names = f"<{stem} {hash(program)}>", {}
    linecache.cache[filename] = (len(program), None, program.splitlines(True), filename)
    exec(compile(program, filename, "exec"), names)
    point = names["point"](np.random.default_rng(0))
    found = check_derivation(names["loss"], names["derived"], point, budget=60)
    assert found.culprit.repair == repair


START = "    dh = hs[-1] - target\n    for t in reversed(range(steps)):\n"
PLACES = {
    "set in every step": (
        (START, "    for t in reversed(range(steps)):\n        dh = hs[-1] - target\n"),
        "dh = hs[-1] - target", "dh = hs[-1] - target\nfor t in reversed(range(steps)):"),
    "after the loop": (
        ("        db += dz\n        dh = Wh.T @ dz\n", "        dh = Wh.T @ dz\n    db += dz\n"),
        "db += dz", "dh = Wh.T @ dz\ndb += dz"),
    "before the update that it uses": (
        ("        db += dz\n        dh = Wh.T @ dz\n",
         "        dh = Wh.T @ dz\n        db += dh\n"),
        "db += dh", "db += dz")}
"""A change of the exercise of the recurrent network; the line that is shown, and its repair."""


@pytest.mark.parametrize("kind", PLACES)
def test_a_statement_at_the_wrong_place_is_shown_where_it_belongs(kind):
    change, line, repair = PLACES[kind]
    shown, found = of_exercise("recurrent", change)
    assert (shown, found.repair) == (line, repair)
    assert found.misplaced == ("\n" in repair)


@pytest.mark.parametrize(("missing", "repair"), [
    ("        db += dz\n", "dWh += np.outer(dz, hs[t])\ndb += dz"),
    ("        dh = Wh.T @ dz\n", "db += dz\ndh = dz @ Wh")])
def test_a_statement_that_is_missing_in_a_loop_is_found(missing, repair):
    assert of_exercise("recurrent", (missing, ""))[1].repair == repair


@pytest.mark.parametrize(("name", "change", "repair"), [
    ("classic", ("np.outer(delta3, a2)", "np.outer(delta3, z2)"),
     'return {"W1": np.outer(delta2, x), "W2": np.outer(delta3, a2)}'),
    ("recurrent", ("dh * (1 - hs[t + 1] ** 2)", "dh"), "dz = dh * (1 - hs[t + 1] ** 2)"),
    ("recurrent", ("np.outer(dz, hs[t])", "np.outer(dz, hs[t + 1])"),
     "dWh += np.outer(dz, hs[t])"),
    ("batch_norm", ("dcentred - dcentred.mean(axis=0)", "dcentred"),
     "dx = dcentred - dcentred.mean(0)")])
def test_the_line_of_the_backward_part_is_repaired(name, change, repair):
    assert of_exercise(name, change)[1].repair == repair


def test_no_function_is_tried_that_takes_minutes_where_a_mask_is_large():
    assert not {"digamma", "polygamma"} & {op.name for op, _ in functions_of_one()}


def test_an_expression_that_is_not_repaired_keeps_its_spaces_brackets_and_lines(unhurried):
    x, y = np.arange(1.0, 4.0), np.array([0.5, 0.2, 0.9])

    def loss(w, c):
        return np.sum((w*x + c - y)**2)

    def derived(w, c):
        e = (w*x) + c - y
        return {
            "w": 2*np.sum(e*x),  # the product with x
            'c': np.sum(e),
        }

    found = check_derivation(loss, derived, {"w": np.array(0.7), "c": np.array(0.1)}).culprit
    assert found.repair == (
        'return {\n    "w": 2*np.sum(e*x),  # the product with x\n'
        "    'c': 2 * np.sum(e),\n}")


def test_data_stays_as_it_is_while_repairs_are_tried(unhurried):
    x = np.array([[0.2, 1.0], [0.4, -0.3]])
    before = x.copy()

    def loss(w):
        return np.sum(np.tanh(x * w)) / len(x)

    def derived(w):
        d = np.tanh(x * w)
        d /= len(x)
        return {"w": (x * d).sum(0)}

    assert check_derivation(loss, derived, {"w": np.array([0.5, -0.4])}).culprit is not None
    assert np.array_equal(x, before) and x.flags.writeable


def test_arrays_that_a_program_writes_into_stay_writeable():
    rows, buffer = [np.zeros(2)], np.zeros(3)

    def reads():
        return rows, buffer

    def writes():
        buffer[0] = 1
        return rows

    with SharedData(reads).kept(reads):
        assert not rows[0].flags.writeable and not buffer.flags.writeable
    with SharedData(writes).kept(writes):
        assert buffer.flags.writeable and not rows[0].flags.writeable
    assert rows[0].flags.writeable and buffer.flags.writeable


class Held:
    """An object that a program may keep its data in."""

    def __init__(self, data):
        self.data = data


def test_arrays_inside_of_others_are_kept_as_well():
    rows = [(np.zeros(2), {"b": [np.zeros(1)]}), Held(np.zeros(3)), SimpleNamespace(x=np.zeros(1))]
    arrays = [rows[0][0], rows[0][1]["b"][0], rows[1].data, rows[2].x]

    def helper():
        return rows

    with SharedData(lambda: helper()).kept(helper):
        assert not any(array.flags.writeable for array in arrays)
    assert all(array.flags.writeable for array in arrays)


class Inherits(Held):
    """An object whose class defines nothing itself."""


def test_arrays_of_objects_defaults_and_windows_are_kept():
    inherits, default, row = Inherits(np.zeros(2)), np.zeros(2), np.arange(6.0)
    window = np.lib.stride_tricks.as_strided(row, (4, 3), (8, 8))
    mixed = [0.5, np.zeros(2)]

    def program(c=default):
        return inherits, window, mixed

    data = SharedData(program)
    with data.kept(program):
        for array in (inherits.data, default, mixed[1]):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
        window[0, 0] = 7  # NumPy cannot lock it and give it free again
        data.restore()
        assert window[0, 0] == 0
    for array in (inherits.data, default, mixed[1], window, row):
        assert array.flags.writeable


def test_lists_and_dicts_get_their_contents_again():
    labels, named, calls = [2, 0], {"a": 1, "b": [3]}, []

    def program():
        calls.append(0)
        return labels, named

    data = SharedData(program)
    with data.kept(program):
        labels[0] -= 1
        named["b"].append(4)
        del named["a"]
        data.restore()
        assert (labels, named) == ([2, 0], {"a": 1, "b": [3]})
        labels.pop()
    assert labels == [2, 0]
    assert calls == [0]  # what the program changes itself stays so


def test_a_search_leaves_the_data_as_they_were():
    case = list(wrong(FOLDER / "tune" / "rnn_every_step.py"))[4]
    labels = case.functions["ys"]
    before = list(labels)
    assert check_derivation(case.loss, case.derived, case.point(0), budget=60).culprit is not None
    assert list(labels) == before


SAMPLES, TARGETS = np.random.default_rng(0).normal(size=(2, 5, 2))


def loss_of_samples(W, b):
    total = 0.0
    for x, y in zip(SAMPLES, TARGETS, strict=True):
        z = W @ x + b
        total = total + np.sum((np.tanh(z) - y)**2)
    return total / len(SAMPLES)


def loss_of_batch(W, b):
    z = SAMPLES @ W.T + b
    return np.sum((np.tanh(z) - TARGETS)**2) / len(SAMPLES)


def derived_by_samples(W, b):
    dW, db = np.zeros_like(W), np.zeros_like(b)
    for x, y in zip(SAMPLES, TARGETS, strict=True):
        a = np.tanh(W @ x + b)
        da = 2 * (a - y) / len(SAMPLES)
        dz = np.cos(da) * np.exp(a)
        dW += np.outer(dz, x)
        db += dz
    return {"W": dW, "b": db}


def derived_by_batch(W, b):
    a = np.tanh(SAMPLES @ W.T + b)
    da = 2 * (a - TARGETS) / len(SAMPLES)
    dz = np.cos(da) * np.exp(a)
    return {"W": dz.T @ SAMPLES, "b": dz.sum(0)}


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("loss", [loss_of_samples, loss_of_batch])
@pytest.mark.parametrize("derived", [derived_by_samples, derived_by_batch])
def test_a_derivation_may_have_other_loops_than_the_loss(loss, derived):
    point = {"W": np.array([[0.3, -0.5], [0.8, 0.2]]), "b": np.array([0.1, -0.4])}
    culprit = check_derivation(loss, derived, point).culprit
    assert (culprit.text, culprit.expected) == ("np.cos(da) * np.exp(a)", "∂L/∂z")
    assert culprit.repair.startswith("dz = da * (1 - a ")
