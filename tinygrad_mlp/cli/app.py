"""The commands of ``tinygrad-mlp`` with their options and help.

The module of a command is imported when it runs, so that the help and the shell's completion
appear at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinygrad_mlp.autograd.op import OPS
from tinygrad_mlp.cli import options
from tinygrad_mlp.cli.options import DataDir, Json, Loss, Settings, completed, file, with_settings
from tinygrad_mlp.cli.running import Outcome, guarded
from tinygrad_mlp.support.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    # Plain text, since boxes leave too little room for words on a narrow terminal; and Python's
    # own complete traceback for a bug.
    rich_markup_mode=None, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]})


def show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        print(f"tinygrad-mlp {__version__}")
        raise typer.Exit


@app.callback()
def top(
        version: Annotated[bool, typer.Option("--version", callback=show_version, is_eager=True,
                                              help="Print the version and end.")] = False) -> None:
    """Train small neural networks on handwritten digits, and use them.

    \b
    Examples:
      tinygrad-mlp train digits --plot curves.png
      tinygrad-mlp train mnist --save model.safetensors
      tinygrad-mlp predict model.safetensors seven.png
      tinygrad-mlp compare digits
      tinygrad-mlp check homework.py
      tinygrad-mlp info --json

    Each command has a --help of its own, and --json for other programs to read. Exit codes: 0
    success, 1 training diverged, a check failed or a file could not be written, 2 a mistake in
    the command, 130 ended by Ctrl-C.
    """


@app.command()
@guarded
@with_settings
def train(
        *, loss: Loss = "cross_entropy", settings: Settings,
        save: Annotated[Path | None, file(
            "Write the model there, for predict (*.safetensors).")] = None,
        plot: Annotated[Path | None, file(
            "Draw the curves of loss and accuracy there (*.png, *.pdf ...).")] = None,
        history: Annotated[Path | None, file(
            "Write all evaluations there as a table (*.csv).")] = None,
        checkpoint: Annotated[Path | None, file(
            "Save a checkpoint there, every ten seconds and at the end; if there is one already, "
            "resume from it (*.safetensors).")] = None,
        report: Annotated[Path | None, file(
            "Write a report there, one page for any browser (*.html).")] = None,
        run: Annotated[Path | None, file(
            "Write model, options and history there, for report.", "FOLDER")] = None,
        mpi: Annotated[bool, typer.Option(
            "--mpi", help="Train by all processes that mpiexec has started, each on a part of "
            "every batch.")] = False,
        as_json: Json = False) -> Outcome:
    """Train a network to classify images.

    A tenth of the images is set aside for validation. Without options there is one hidden layer
    of 256 neurons with tanh, ten outputs with sigmoid, and one image a step. Losses are printed
    per image. Ctrl-C ends training early; the files are still written.

    \b
    Examples:
      tinygrad-mlp train digits --plot curves.png
      tinygrad-mlp train mnist --loss mean_square
      tinygrad-mlp train mnist --hidden 300,100 --bias \\
          --hidden-activation relu --output-activation softmax \\
          --optimizer adam --batch-size 32 --sigma 0.05
      tinygrad-mlp train digits --save model.safetensors
      tinygrad-mlp train mnist --checkpoint run.safetensors
      tinygrad-mlp train digits --report report.html
      tinygrad-mlp train digits --run digits-run
      tinygrad-mlp train digits --json > run.json
      mpiexec -n 2 tinygrad-mlp train mnist --mpi
    """
    from tinygrad_mlp.cli.train import train as run_train
    return run_train(settings, loss, save=save, plot=plot, history=history,
                     checkpoint_file=checkpoint, report=report, run=run, mpi=mpi)


@app.command()
@guarded
def predict(
        model: Annotated[Path, typer.Argument(
            metavar="MODEL", parser=options.path_of,
            help="A file that train --save has written.")],
        target: Annotated[str, typer.Argument(
            metavar="IMAGE_OR_DATASET", autocompletion=completed(options.DATASETS),
            callback=options.check_path,
            help="A picture of one digit (PNG, JPEG ...), dark on light or light on dark; or "
            "digits, mnist (its 10,000 test images), or FILE.mat.")],
        data_dir: DataDir = None,
        limit: Annotated[int | None, options.number(
            "Only the first images of the data set.", min=1)] = None,
        whole_picture: Annotated[bool, typer.Option(
            "--whole-picture", help="Use the picture as it is. By default the drawing is cut out "
            "and centred as in MNIST.")] = False,
        as_json: Json = False) -> Outcome:
    """Classify an image, or a whole data set.

    For an image, the outputs for all classes are shown; for a data set, the accuracy and the
    confusion matrix.

    \b
    Examples:
      tinygrad-mlp predict model.safetensors seven.png
      tinygrad-mlp predict model.safetensors mnist
      tinygrad-mlp predict model.safetensors digits --limit 100
    """
    from tinygrad_mlp.cli.predict import predict as run_predict
    return run_predict(model, target, data_dir=data_dir, limit=limit, whole_picture=whole_picture)


@app.command()
@guarded
def report(
        run: Annotated[Path, typer.Argument(
            metavar="RUN", parser=options.path_of,
            help="A folder that train --run has written.")],
        dataset: Annotated[str | None, typer.Argument(
            metavar="DATASET", show_default=False, callback=options.check_dataset,
            help="The data it was trained on, if they are elsewhere now: digits, mnist, or "
            "FILE.mat.")] = None,
        output: Annotated[Path | None, typer.Option(
            metavar="FILE", show_default="RUN/report.html", parser=options.path_of,
            help="The file to write (*.html).")] = None,
        data_dir: DataDir = None, as_json: Json = False) -> Outcome:
    """Write a report on a training: one page for any browser, which needs no connection.

    It shows the settings, the curves, the confusion matrix, the images classified wrongly, a
    picture of the network, the derivation of its gradients, its training step as NumPy code, a
    check of its gradients, and timings. The model is judged on the images that training set aside.

    \b
    Examples:
      tinygrad-mlp report digits-run
      tinygrad-mlp report digits-run --output report.html
    """
    from tinygrad_mlp.cli.report import report as run_report
    return run_report(run, dataset, output=output, data_dir=data_dir)


@app.command()
@guarded
@with_settings
def compare(
        *, settings: Settings,
        plot: Annotated[Path, file(
            "Draw the comparison and its explanation there.")] = Path("comparison.png"),
        as_json: Json = False) -> Outcome:
    """Compare the two losses.

    Two networks, one for mean_square and one for cross_entropy, start from the same weights and
    see the same images in the same order. The picture shows the result and its reason.

    \b
    Examples:
      tinygrad-mlp compare
      tinygrad-mlp compare mnist --plot losses.pdf
    """
    from tinygrad_mlp.cli.compare import compare as run_compare
    return run_compare(settings, plot=plot)


@app.command(short_help="Check gradients: built in, of your own, or derived by hand.")
@guarded
def check(
        subjects: Annotated[list[str] | None, typer.Argument(
            metavar="WHAT", show_default=False,
            autocompletion=completed([*OPS, *(f"formulas.{loss}" for loss in options.LOSSES)]),
            help="Operations by name; Python files, or folders of them; module:name or "
            "file.py:name for one operation of your own. Without any, everything built in is "
            "checked.")] = None,
        quick: Annotated[bool, typer.Option(
            "--quick", help="Try each operation on its first three samples only.")] = False,
        reference: Annotated[Path | None, file(
            "Mark the files by this teacher's file, which holds the loss.")] = None,
        csv: Annotated[Path | None, file("With --reference: write the table there.")] = None,
        feedback: Annotated[Path | None, file(
            "With --reference: write a text and a page for each student there.",
            "FOLDER")] = None,
        gradescope: Annotated[Path | None, file(
            "With --reference: write the results there as Gradescope reads them.")] = None,
        jobs: Annotated[int, options.number(
            "With --reference: files marked at a time.", min=1)] = 1,
        limit: Annotated[float, options.number(
            "With --reference: seconds that each file may take.", min=1,
            callback=options.check_positive)] = 20.0,
        memory: Annotated[int, options.number(
            "With --reference: megabytes that each file may use.", min=256)] = 2048,
        hint: Annotated[int, options.number(
            "How much to tell of a mistake in a derivation: 1 the place of the wrong line, 2 also "
            "the mistake and what the line should be, 3 also a repair.", min=1, max=3)] = 3,
        time: Annotated[float, options.number(
            "Seconds to look for the wrong line; 0 for not at all.", min=0)] = 5.0,
        ignoring: Annotated[list[str] | None, typer.Option(
            metavar="NAME", show_default=False,
            help="A convention of derivations to accept: summed, averaged, half, ascent, decay, "
            "epsilon, clip, clipped-gradient, truncated or symmetric. May be repeated.")] = None,
        as_json: Json = False) -> Outcome:
    """Check gradients: those built in, of operations of your own, or derived by hand in a file.

    Of an operation, the forward function is compared with a reference, first (1st) and second
    (2nd) derivatives with numerical ones, and a compiled program with the operation; its LaTeX is
    checked, too. Everything built in takes about a minute, two thirds of that with --quick.

    A file may define operations with @tg.op; layers, as functions *_forward and *_backward or as
    objects with both methods; or a derivation: loss(W1, ...), derived (the gradients by name, or a
    function that returns them) and the parameters. Each gradient is then
    compared with that of the graph. The mistake in a wrong one is named, and the wrong line is
    shown with a repair. The file is run, as Python would run it. The exit code is 1 if anything is
    wrong.

    With --reference, the files of a class are marked: programs and notebooks that define derived,
    each run in a process of its own with limits. The exit code is 1 if a gradient of any file is
    wrong, missing or not checked.

    \b
    Examples:
      tinygrad-mlp check
      tinygrad-mlp check tanh matmul
      tinygrad-mlp check homework.py
      tinygrad-mlp check homework.py --hint 1
      tinygrad-mlp check homework.py --ignoring summed
      tinygrad-mlp check homework/
      tinygrad-mlp check mymodule:swish
      tinygrad-mlp check class/ --reference teacher.py
    """
    if reference is not None:
        from tinygrad_mlp.cli.check_class import ClassOutputs, check_class
        return check_class(
            subjects or [], reference, ClassOutputs(csv, feedback, gradescope), ignoring or (),
            limits=(limit, memory * 2**20), jobs=jobs, hint=hint, search=time)
    from tinygrad_mlp.cli.check import Hints, refuse_without_reference
    from tinygrad_mlp.cli.check import check as run_check
    refuse_without_reference({"--csv": csv, "--feedback": feedback, "--gradescope": gradescope})
    return run_check(subjects or [], quick=quick, hints=Hints(hint, time, tuple(ignoring or ())))


@app.command()
@guarded
def exercise(
        name: Annotated[str | None, typer.Argument(
            metavar="NAME", show_default=False, autocompletion=completed(options.EXERCISES),
            help="The exercise; without it they are listed.")] = None,
        mistake: Annotated[str, typer.Option(
            metavar="WHICH", help="The mistake to plant: its number, random, or none.")] = "random",
        out: Annotated[Path | None, file("Write the exercise there (*.py).")] = None,
        seed: Annotated[int | None, options.number(
            "Seed of a random mistake.", min=0, show_default=False)] = None,
        solution: Annotated[bool, typer.Option(
            "--solution", help="Print the mistake, too.")] = False,
        as_json: Json = False) -> Outcome:
    """Plant a mistake in a right derivation, for a student to find.

    The file holds a loss, its derivation by hand and the parameters; one line is wrong. The check
    of the file tells when it is mended.

    \b
    Examples:
      tinygrad-mlp exercise
      tinygrad-mlp exercise softmax --out exercise.py
      tinygrad-mlp exercise lstm --mistake 2 --solution
    """
    from tinygrad_mlp.cli.exercise import exercise as run_exercise
    return run_exercise(name, mistake=mistake, out=out, seed=seed, solution=solution)


@app.command()
@guarded
def explain(
        program: Annotated[Path | None, typer.Argument(
            metavar="FILE", show_default=False, parser=options.path_of,
            help="A Python file that defines loss: a tensor, or a function of parameters that the "
            "file defines, too. Without it, a network is derived.")] = None,
        layers: options.Layers = options.LAYERS, loss: Loss = "cross_entropy",
        hidden_activation: options.HiddenActivation = "tanh",
        output_activation: options.OutputActivation = "sigmoid", bias: options.Bias = False,
        latex: Annotated[bool, typer.Option(
            "--latex", help="Print LaTeX instead of plain text.")] = False,
        as_json: Json = False) -> Outcome:
    """Print the derivation of the gradients of a network, or of a file's loss.

    The closed form, as one writes it on a blackboard; the forward equations, one equation for each
    step of the backward pass, and, of a network, the gradients as products of matrices for one
    sample as a column vector, all with their shapes. A file is run, as Python would run it.

    \b
    Examples:
      tinygrad-mlp explain
      tinygrad-mlp explain regression.py
      tinygrad-mlp explain --layers 784,300,100,10 --bias \\
          --loss mean_square
      tinygrad-mlp explain --layers 4,3,2 --latex
    """
    from tinygrad_mlp.cli.explain import explain as run_explain
    from tinygrad_mlp.cli.explain import explain_file
    if program is not None:
        return explain_file(program, latex=latex)
    return run_explain(layers, loss, hidden=hidden_activation, output=output_activation,
                       bias=bias, latex=latex)


@app.command()
@guarded
def steps(
        program: Annotated[Path, typer.Argument(
            metavar="FILE", parser=options.path_of,
            help="A Python file that defines loss: a tensor, or a function of parameters that the "
            "file defines, too.")],
        output: Annotated[Path | None, file(
            "Write them there: a page to step through (*.html), or an animation (*.svg).")] = None,
        as_json: Json = False) -> Outcome:
    """Show the forward and the backward pass of a loss step by step.

    Each step has its formula, derived from the loss, its numbers, and its lines of NumPy. The
    gradient of a value is incoming gradient times local derivative, summed over all its uses. The
    file is run, as Python would run it. If it defines derived, too, as for check, the step is
    marked at which the derivation departs from the right gradient.

    \b
    Examples:
      tinygrad-mlp steps network.py
      tinygrad-mlp steps network.py --output steps.html
      tinygrad-mlp steps homework.py --output steps.svg
    """
    from tinygrad_mlp.cli.steps import steps as run_steps
    return run_steps(program, output=output)


@app.command()
@guarded
def play(
        data: Annotated[str, typer.Argument(
            metavar="DATA", callback=options.check_path,
            autocompletion=completed(options.PLAYED),
            help="spirals, circles, digits, mnist or 'vanishing gradient'; or a table FILE.csv "
            "with a header, whose last column is the target.")] = "spirals",
        model: Annotated[Path | None, file(
            "A Python file that defines model, and may define loss and data (*.py).")] = None,
        port: Annotated[int | None, options.number(
            "The port; by default the first that is free.", min=1, max=65535,
            show_default=False)] = None,
        no_browser: Annotated[bool, typer.Option(
            "--no-browser", help="Print the address only.")] = False,
        seconds: Annotated[float | None, options.number(
            "End after so many seconds; by default with Ctrl-C.", show_default=False,
            callback=options.check_positive)] = None,
        as_json: Json = False) -> Outcome:
    """Open the playground: a training to watch, to step through and to change, in the browser.

    It shows what each neuron sees, the decision boundary, the gradients on the edges and by layer,
    and the steps of one pass. The page is served to this computer only. A file given with --model
    is run, as Python would run it.

    \b
    Examples:
      tinygrad-mlp play
      tinygrad-mlp play digits
      tinygrad-mlp play "vanishing gradient"
      tinygrad-mlp play measurements.csv
      tinygrad-mlp play spirals --model network.py
    """
    from tinygrad_mlp.cli.play import play as run_play
    return run_play(data, model=model, port=port, browser=not no_browser, seconds=seconds)


@app.command()
@guarded
def info(as_json: Json = False) -> Outcome:
    """Print versions, libraries, threads and data, for a report of a bug.

    These are the versions of the package, of Python and of the libraries; the cores, and the BLAS
    libraries with their threads; the data sets found and the places searched; the cache.

    \b
    Examples:
      tinygrad-mlp info
      tinygrad-mlp info --json
    """
    from tinygrad_mlp.cli.info import info as run_info
    return run_info()
