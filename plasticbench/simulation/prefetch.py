"""Ask the processor to fetch memory ahead of its use, from compiled code.

A spike's row of synapses lies anywhere in several megabytes, but is known many steps before it is walked.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array


@intrinsic
def prefetch(typingctx, array, index):
    """Begin to load the cache line of array[index] (1-D, contiguous); changes nothing, never faults."""
    signature = types.void(array, types.intp)

    def generate(context, builder, signature, arguments):
        pointer = ir.IntType(8).as_pointer()
        data = make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), pointer)
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        builder.call(function, [address, flag(0), flag(3), flag(1)])  # to read, into the nearest cache, data
        return context.get_dummy_value()

    return signature, generate
