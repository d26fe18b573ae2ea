"""Addresses of arrays and of compiled functions, in compiled code.

A rule's events and a neuron model's step are compiled apart from the loop over a life, as functions with a C interface;
the loop calls them by address, and they find their arrays through a table of addresses (a frame). So the loop is
compiled once, for all rules and models.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

_WORD = ir.IntType(64)


def _typed(element):
    """A function from an address to a pointer to `element`s, which is indexed like an array."""

    @intrinsic
    def pointer(typingctx, address):
        signature = types.CPointer(element)(address)  # type: ignore[attr-defined]

        def generate(context, builder, signature, arguments):
            target = context.get_value_type(signature.return_type)
            return builder.inttoptr(context.cast(builder, arguments[0], signature.args[0], types.int64), target)

        return signature, generate

    return pointer


f4, f8 = _typed(types.float32), _typed(types.float64)
i4, i8 = _typed(types.int32), _typed(types.int64)
u2, u4 = _typed(types.uint16), _typed(types.uint32)
BY_KIND = {"float32": "f4", "float64": "f8", "int32": "i4", "int64": "i8", "uint16": "u2", "uint32": "u4"}


@intrinsic
def address_of(typingctx, array):
    """Where an array's data begin."""
    signature = types.int64(array)

    def generate(context, builder, signature, arguments):
        data = make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, _WORD)

    return signature, generate


def _call(builder, context, signature, arguments, result):
    """Call the function at the first argument with the others, all 64-bit integers."""
    words = [
        context.cast(builder, value, kind, types.int64) for value, kind in zip(arguments, signature.args, strict=True)
    ]
    kind = ir.FunctionType(result, [_WORD] * (len(words) - 1))
    return builder.call(builder.inttoptr(words[0], kind.as_pointer()), words[1:])


@intrinsic
def call_event(typingctx, function, t, n, spikes, frame):
    """An event of a rule at step t, for the n spikes whose neurons' indices begin at address `spikes`."""
    signature = types.void(function, t, n, spikes, frame)

    def generate(context, builder, signature, arguments):
        _call(builder, context, signature, arguments, ir.VoidType())
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def call_step(typingctx, function, t, seed, n, frame):
    """A step of n neurons; the number of spikes, or a negative number."""
    signature = types.int64(function, t, seed, n, frame)

    def generate(context, builder, signature, arguments):
        return _call(builder, context, signature, arguments, _WORD)

    return signature, generate
