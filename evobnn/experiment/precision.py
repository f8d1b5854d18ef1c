"""Which precision this machine is made for."""

from __future__ import annotations

import torch


def native_precision() -> str:
    """Return `bf16` where this processor multiplies bfloat16 in hardware, and oneDNN makes use of it, else `fp32`."""
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    there = any(check is not None and check() for check in checks)
    return "bf16" if there and _onednn_takes_bf16() else "fp32"


def slow_precision(precision: str, device: str) -> str:
    """Return what a person should know who asked by name for a precision that is slow here, or an empty text."""
    if precision != "bf16" or device != "cpu" or native_precision() == "bf16":
        return ""
    return (
        "this processor has no instructions for bfloat16, or oneDNN may not use them: recipe.precision = fp32 is "
        "quicker, and `auto` takes it."
    )


def _onednn_takes_bf16() -> bool:
    """Tell whether oneDNN convolves in bfloat16 here; it may be held below that, see ONEDNN_MAX_CPU_ISA."""
    there = torch._C._has_mkldnn
    return bool(there and torch.ops.mkldnn._is_mkldnn_bf16_supported())
