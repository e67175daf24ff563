"""
The command line: where the usual expressions for an L1 norm go wrong, and the penalty of data in files.

`app` reads the options. ``l1-any demo`` prints the rows of `idioms` by `demo`. For ``l1-any compare``, `inputs` and the
readers of formats (`files` and ``*_files``) bring the data, `libraries` knows how each library holds an array,
`measure` makes one row, `compare` all of them and `parts` those of data that are too large, and `report` prints them;
`checkpoint` summarises all arrays of a file. The exact values come from `l1_any.testing`, or quickly from `exact`.
"""
