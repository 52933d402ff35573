"""How numbers lie in memory and how wide they are: mixed precision (Micikevicius et al. 2018) and the order of channels."""

from typing import Literal

import torch


def autocast_dtype(amp: Literal["auto", "off", "bf16"], device: torch.device) -> torch.dtype | None:
    """The type of convolutions and products while training, None for float32 throughout.

    auto: float32 on a CPU, which gains nothing by default; on a GPU bfloat16, or float16 where it has no bfloat16.
    """
    if amp == "bf16":
        return torch.bfloat16
    if amp == "off" or device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def grad_scaler(dtype: torch.dtype | None, device: torch.device) -> torch.amp.GradScaler:
    """Scales the loss where float16 would round small gradients to 0; for every other type it does nothing."""
    return torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)


def memory_format(channels_last: Literal["auto", "on", "off"], device: torch.device) -> torch.memory_format:
    """auto: channels last on a GPU, whose tensor cores want it. On a CPU only the images are: the weights too gained 0 to 9 %."""
    last = channels_last == "on" or (channels_last == "auto" and device.type == "cuda")
    return torch.channels_last if last else torch.contiguous_format
