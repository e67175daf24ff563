"""
The command line: the penalty of real data with every installed library, compared with the exact value.

`app` reads the options, `inputs` and `ngram` bring the data, `libraries` knows how each library holds an
array, `measure` makes one row and `compare` all of them, `report` prints them. The exact values come from
`l1_any.testing`.
"""
