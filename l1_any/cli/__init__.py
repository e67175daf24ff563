"""
The command line: the penalty on real input with every installed library, against the exact value.

`app` reads the options, `inputs` and `ngram` bring the data, `libraries` knows how each library holds an
array, `measure` makes one row and `compare` all of them, `exact` says how far they are from the truth,
`report` prints them.
"""
