"""The search for the line at which a derivation goes wrong, and for its repair.

A derivation is a program. It is run again and again with one thing changed, and what counts is
which gradients are right then. The steps:

1. `recording/`: `recorder.py` rewrites the derivation and the loss, so that the value of every
   expression (of each site, found by `sites.py`) is kept and can be overridden. `shared_data.py`
   keeps data from being changed meanwhile.
2. `graph/`: `loss_graph.py` runs the backward pass of the loss and knows what the person calls its
   vertices. `quantities.py` lists what lines can be: values, gradients ∂L/∂v, shares, slopes.
   `matching.py` tells which of these a line is equal to.
3. `running/`: `experiment.py` is what the program is run with, and `budget.py` ends it.
   `slicing.py` moves each expression by a few percent. The wrong line moves wrong gradients only.
   `ranking.py` says which lines to try first.
4. `edits/`: `edits.py`, `call_edits.py`, `index_edits.py` change an expression by a little,
   `added.py` adds a factor or a term, all with the pieces of `expressions/syntax.py` and with what
   `repairs/offers.py` finds in scope. `expressions/evaluation.py` computes what they change.
5. `repairs/`: `small_repairs.py` applies these and changes whole statements, `missing.py` and
   `loop_updates.py` add some, `moves.py` puts them elsewhere, all by `placing.py`. `repair.py`
   tries a repair, and `repair_text.py` writes it as the person would.
6. `replacement.py` there finds what a line should hold, by putting quantities of the graph in its
   place. `wanted_repairs.py` finds an expression of that value from what is in scope, with
   `expressions/`: the backward rule of the graph (`recorded_rules.py`, `rule_code.py`), or what
   `synthesis.py` makes of the terms of `terms.py`.
7. `search.py` runs all this, the likeliest lines first, and `score.py` judges what works: a repair
   is likely where the edit is small and the lines after it become quantities of the graph.
8. `culprit.py` turns the best answer into a line, a quantity and a repair, or into silence where
   two lines are as likely. `message.py` has the words.

Nothing here decides whether a gradient is right. `verify/derivations` does that, and asks for the
line only where one is wrong.
"""
