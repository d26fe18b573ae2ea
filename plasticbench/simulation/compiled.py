"""How the loops of spiking networks are compiled: `@compiled`.

No interpreter lock; division by zero gives inf, as in torch; and no reference counts (numba's `_nrt`): these
functions allocate nothing, and counting the views they take costs a tenth of their time in atomic instructions.
"""

from __future__ import annotations

from typing import Any

import numba

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}

compiled: Any = numba.njit(cache=True, **OPTIONS)
compiled_inline: Any = numba.njit(cache=True, inline="always", **OPTIONS)  # may return a view
generated: Any = numba.njit(**OPTIONS)  # for functions that only their module's cached ones call
