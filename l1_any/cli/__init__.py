"""
The command line: the penalty of real data with every installed library, compared with the exact value.

`app` reads the options. `inputs` and `ngram` provide the data. `libraries` knows how each library makes arrays,
`measure` makes one row of the result, and `compare` makes all rows. `exact` computes the exact value and the distance
from it. `memory` checks that there is enough memory. `report` prints the rows.
"""
