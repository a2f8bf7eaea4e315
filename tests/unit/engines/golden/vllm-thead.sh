### distill
# no DeepSeek launch line is public; vLLM 0.20.2 was verified on ZW810E with small models (FlagOS)
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --ipc=host \
    --device=/dev/alixpu \
    --device=/dev/alixpu_ctl \
    --device=/dev/alixpu_ppu0 \
    --device=/dev/alixpu_ppu1 \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    gpustack/runner:hggc13.0-vllm0.23.0 serve /srv/models/deepseek-r1-distill-qwen-7b \
    --served-model-name deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 2 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --reasoning-parser deepseek_r1 \
    --gpu-memory-utilization 0.9

### v3
# no DeepSeek launch line is public; vLLM 0.20.2 was verified on ZW810E with small models (FlagOS)
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --ipc=host \
    --device=/dev/alixpu \
    --device=/dev/alixpu_ctl \
    --device=/dev/alixpu_ppu0 \
    --device=/dev/alixpu_ppu1 \
    --device=/dev/alixpu_ppu2 \
    --device=/dev/alixpu_ppu3 \
    --device=/dev/alixpu_ppu4 \
    --device=/dev/alixpu_ppu5 \
    --device=/dev/alixpu_ppu6 \
    --device=/dev/alixpu_ppu7 \
    --volume=/srv/models/deepseek-v3-0324:/srv/models/deepseek-v3-0324:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    gpustack/runner:hggc13.0-vllm0.23.0 serve /srv/models/deepseek-v3-0324 \
    --served-model-name deepseek-v3-0324 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --enable-expert-parallel \
    --trust-remote-code \
    --gpu-memory-utilization 0.9

### r1
# no DeepSeek launch line is public; vLLM 0.20.2 was verified on ZW810E with small models (FlagOS)
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --ipc=host \
    --device=/dev/alixpu \
    --device=/dev/alixpu_ctl \
    --device=/dev/alixpu_ppu0 \
    --device=/dev/alixpu_ppu1 \
    --device=/dev/alixpu_ppu2 \
    --device=/dev/alixpu_ppu3 \
    --device=/dev/alixpu_ppu4 \
    --device=/dev/alixpu_ppu5 \
    --device=/dev/alixpu_ppu6 \
    --device=/dev/alixpu_ppu7 \
    --volume=/srv/models/deepseek-r1-0528:/srv/models/deepseek-r1-0528:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    gpustack/runner:hggc13.0-vllm0.23.0 serve /srv/models/deepseek-r1-0528 \
    --served-model-name deepseek-r1-0528 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --enable-expert-parallel \
    --trust-remote-code \
    --reasoning-parser deepseek_r1 \
    --gpu-memory-utilization 0.9
