"""Property values: any bytes of any type are a value that serializes to the same bytes, or the one error."""

import math

from hypothesis import given
from hypothesis import strategies as st

from abi import PropertyType, PropertyValueError, decode_value, encode_pairs, encode_value

SCALARS = [type for type in PropertyType if type not in (PropertyType.MAP, PropertyType.LIST)]
PAIRS = st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=4).map(encode_pairs)


@given(
    st.sampled_from(PropertyType),
    st.one_of(st.binary(max_size=32), st.binary(min_size=8, max_size=8), PAIRS),
    st.sampled_from(SCALARS),
)
def test_any_bytes_are_a_value_or_an_error(type: PropertyType, data: bytes, element: PropertyType) -> None:
    """Guests set properties with bytes of their own making."""
    try:
        value = decode_value(type, data, element)
    except PropertyValueError:
        return
    numbers = (
        (*value.values(),) if isinstance(value, dict) else (*value,) if isinstance(value, list) else (value,)
    )
    if any(isinstance(number, float) and math.isnan(number) for number in numbers):
        return  # A NaN need not keep its payload on its way through a float.
    assert encode_value(type, value, element) == data or (value in ({}, []) and not any(data))
