"""Numbers at the edge: of a dtype's range, of a byte order, of an axis; and complex numbers that are partly NaN."""

import math

import numpy as np
import pytest

import l1_any as l1
from l1_any.testing import to_numpy

inf, nan = math.inf, math.nan


OF_COMPLEX = {
    "value": l1.value,
    "rows": lambda z: l1.value(z, axis=-1),
    "mean": lambda z: l1.value(z, reduce="mean"),
    "value_and_subgradient": lambda z: l1.value_and_subgradient(z)[0],
    "subgradient_norm": l1.subgradient_norm,
    "huber": lambda z: l1.huber(z, 1.0),
    "group_value": lambda z: l1.group_value(z, axis=-1),
    "strength_max": l1.strength_max,
    "subgradient": l1.subgradient,
    "scaled subgradient": lambda z: l1.subgradient(z, weights=2.0),
    "huber_gradient": lambda z: l1.huber_gradient(z, 1.0),
    "group_subgradient": lambda z: l1.group_subgradient(z, axis=-1),
    "prox": lambda z: l1.prox(z, 1.0),
    "prox, step 0": lambda z: l1.prox(z, 0.0),
    "prox_elastic_net": lambda z: l1.prox_elastic_net(z, 1.0, l1_ratio=0.5),
    "prox_group": lambda z: l1.prox_group(z, 1.0, axis=-1),
    "project": lambda z: l1.project(z, 1.0, axis=-1),
    "prox_max": lambda z: l1.prox_max(z, 1.0, axis=-1),
    "subdiff_distance": lambda z: l1.subdiff_distance(z, z, 1.0),
}


class TestPartlyNan:
    """A complex number with a NaN in either part is NaN, also beside an infinite part."""

    @pytest.mark.parametrize("name", OF_COMPLEX)
    @pytest.mark.parametrize(
        "value", [complex(nan, inf), complex(-inf, nan), complex(nan, 1), complex(0, nan)]
    )
    def test_is_nan(self, library, name, value):
        for dtype in set(library.dtypes) & {"complex64", "complex128"}:
            values = np.full((1, 1), value, dtype)  # not by arithmetic, which may mix the parts
            found = to_numpy(OF_COMPLEX[name](library.asarray(values)))
            parts = (found.real, found.imag) if found.dtype.kind == "c" else (found,)
            assert all(np.isnan(part).all() for part in parts), (dtype, found)


OF_BYTES = {
    "prox": lambda x: l1.prox(x, 0.5),
    "prox, step of each": lambda x: l1.prox(x, abs(x)),
    "prox, masked": lambda x: l1.prox(x, 0.5, where=x > 0, weights=abs(x)),
    "prox_elastic_net": lambda x: l1.prox_elastic_net(x, 0.5, l1_ratio=0.5),
    "prox_group": lambda x: l1.prox_group(x, 0.5, axis=-1),
    "project": lambda x: l1.project(x, 0.5, axis=-1),
    "prox_max": lambda x: l1.prox_max(x, 0.5, axis=-1),
    "subdiff_distance": lambda x: l1.subdiff_distance(x, x, 0.5),
    "list": lambda x: l1.subdiff_distance([x], [x], 0.5)[0],
}


class TestByteOrder:
    @pytest.mark.only("numpy", "dask")
    @pytest.mark.parametrize("name", OF_BYTES)
    @pytest.mark.parametrize("dtype", [">f4", ">f8"])
    @pytest.mark.parametrize("size", [2, 3 << 18])
    def test_is_kept(self, library, name, dtype, size):
        values = np.resize(np.asarray([1.0, -2.0]), (1, size))
        x = values.astype(dtype)
        if library.name == "dask":
            import dask.array as da

            x = da.from_array(x, chunks=size)
        found = OF_BYTES[name](x)
        assert found.dtype == np.dtype(dtype)
        native = to_numpy(OF_BYTES[name](values.astype(dtype[1:])))
        assert np.array_equal(to_numpy(found), native)

    @pytest.mark.parametrize("dtype", [">f4", ">f8"])
    def test_of_a_field_is_converted(self, library, dtype):
        lp, field = library.asarray([-1.0, -3.0], "float32"), np.asarray([-2.0, -1.0], dtype)
        for form in ({"key": field}, {"key": [field]}):
            own = lp if form["key"] is field else [lp]
            for target, expected in ((("field", "key"), 3), (("delta", "key"), 3)):
                found, _ = l1.L1Regularizer(target).compute(form, own)
                assert float(to_numpy(found)) == expected
            masked, _ = l1.L1Regularizer(where="key").compute({"key": np.asarray([0, 1], ">i4")}, lp)
            assert float(to_numpy(masked)) == 3
            weighted, _ = l1.L1Regularizer(weights="key").compute({"key": np.asarray([2, 1], ">f8")}, lp)
            assert float(to_numpy(weighted)) == 5


class TestAxisOutOfRange:
    @pytest.mark.parametrize("axis", [2, -3])
    def test_is_a_value_error_and_an_index_error(self, library, axis):
        x = library.asarray([[1.0, 2.0]], "float32")
        calls = (
            lambda: l1.value(x, axis=axis),
            lambda: l1.value(x, axis=(0, axis)),
            lambda: l1.subgradient(x, axis=axis),
            lambda: l1.huber(x, 1.0, axis=axis),
            lambda: l1.project(x, 1.0, axis=axis),
            lambda: l1.prox_max(x, 1.0, axis=axis),
            lambda: l1.prox_group(x, 1.0, axis=axis),
            lambda: l1.group_value(x, axis=axis),
        )
        for call in calls:
            with pytest.raises(
                np.exceptions.AxisError, match="`axis` must be within the 2 dimensions of `x`, got"
            ):
                call()


class TestCastHint:
    @pytest.mark.only("numpy")
    def test_keeps_the_imaginary_part_of_clongdouble(self, library):
        x = np.ones(2, np.clongdouble)
        for call in (
            lambda: l1.value(x),
            lambda: l1.L1Regularizer(("field", "x")).compute({"x": x}, np.ones(2)),
        ):
            with pytest.raises(TypeError, match=r"complex256; cast it first, for example to complex128\."):
                call()
        with pytest.raises(TypeError, match="for example to float32"):
            l1.value(x.real)

    @pytest.mark.only("torch")
    @pytest.mark.filterwarnings("ignore:ComplexHalf")
    def test_keeps_the_imaginary_part_of_complex32(self, library):
        import torch

        with pytest.raises(TypeError, match=r"complex32; cast it first, for example to complex64\."):
            l1.value(torch.zeros(2, dtype=torch.complex32))
