"""The child that lets llama.cpp size a model; its log on stderr is the answer.

`python -m appliance.engines.llamacpp.dryrun_process FILE CONTEXT SLOTS KV_TYPE UBATCH FLASH WORD…`

WORD is `unified` (one cache for all slots) or `swa-full` (whole windows).

The engine's fit phase, with allocations off, comes before anything is loaded: whoever reads the log
ends this process as soon as the figures are there. The engine opens a random loopback port for a
moment and no other connection.
"""

from __future__ import annotations

import sys

DEBUG = 5
"""The verbosity at which the engine prints buffer sizes with decimals."""


def main(
    path: str, context: str, slots: str, kv_type: str, ubatch: str, flash: str, *words: str
) -> None:
    """Make the engine print what it would take."""
    import xllamacpp as llama

    params = llama.CommonParams()
    params.model.path = path
    params.n_ctx, params.n_parallel = int(context), int(slots)
    params.n_batch = params.n_ubatch = int(ubatch)
    kind = getattr(llama.ggml_type, f"GGML_TYPE_{kv_type.upper()}")
    params.cache_type_k = params.cache_type_v = kind
    wanted = "ENABLED" if flash == "on" else "DISABLED"
    params.flash_attn_type = getattr(llama.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{wanted}")
    params.kv_unified, params.swa_full = "unified" in words, "swa-full" in words
    params.no_extra_bufts = True
    params.fit_params, params.verbosity, params.warmup = True, DEBUG, False
    params.hostnames, params.port, params.offline = ["127.0.0.1"], 0, True
    llama.Server(params)


if __name__ == "__main__":
    main(*sys.argv[1:])
