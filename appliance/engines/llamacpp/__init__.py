"""llama.cpp: the engine for GGUF files, prebuilt or built on this server."""
