"""How numbers leave: Python floats for the arrays of a report."""

import pytest

import l1_any as l1


def test_to_floats(library):
    nest = {"a": library.asarray(1.5, "float32"), "b": [library.asarray(2, "int32"), None], "c": 3}
    assert l1.to_floats(nest) == {"a": 1.5, "b": [2.0, None], "c": 3.0}
    with pytest.raises(ValueError, match=r"tree\['a'\]"):
        l1.to_floats({"a": library.asarray([1.0, 2.0], "float32")})
    with pytest.raises(TypeError, match=r"tree\['a'\]"):
        l1.to_floats({"a": "text"})
