"""What people and programs read of a run: tables, results.json, report.html, plots, verdicts.

* ``results``: the schema of results.json, its writer and reader;
* ``measures``: names, units and direction of scores;
* ``tables``: one table model for the console, Markdown and HTML;
* ``limits``: verdicts against challenge limits;
* ``size``: tables of parameters, bytes, operations and exports;
* ``plots``: charts as SVG, spectrograms as PNG;
* ``section``: the blocks of which a page is made;
* ``html``: a self-contained page, and the blocks that every report has;
* ``folds``: scores of folds side by side;
* ``scenes``, ``words``: the blocks of a task; a new task adds a file like them;
* ``comparison``: several runs in one table and one plot.

No score is computed here.
"""
