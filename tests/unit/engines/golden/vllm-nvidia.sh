### distill
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --ipc=host \
    --device=nvidia.com/gpu=0 \
    --device=nvidia.com/gpu=1 \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    gpustack/runner:cuda13.0-vllm0.32.0 serve /srv/models/deepseek-r1-distill-qwen-7b \
    --served-model-name deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 2 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --reasoning-parser deepseek_r1 \
    --gpu-memory-utilization 0.92

### v2
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --ipc=host \
    --device=nvidia.com/gpu=0 \
    --device=nvidia.com/gpu=1 \
    --volume=/srv/models/deepseek-v2-lite-chat:/srv/models/deepseek-v2-lite-chat:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    gpustack/runner:cuda13.0-vllm0.32.0 serve /srv/models/deepseek-v2-lite-chat \
    --served-model-name deepseek-v2-lite-chat \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 2 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --enable-expert-parallel \
    --trust-remote-code \
    --gpu-memory-utilization 0.92

### v3
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --ipc=host \
    --device=nvidia.com/gpu=0 \
    --device=nvidia.com/gpu=1 \
    --device=nvidia.com/gpu=2 \
    --device=nvidia.com/gpu=3 \
    --device=nvidia.com/gpu=4 \
    --device=nvidia.com/gpu=5 \
    --device=nvidia.com/gpu=6 \
    --device=nvidia.com/gpu=7 \
    --volume=/srv/models/deepseek-v3-0324:/srv/models/deepseek-v3-0324:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    gpustack/runner:cuda13.0-vllm0.32.0 serve /srv/models/deepseek-v3-0324 \
    --served-model-name deepseek-v3-0324 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --enable-expert-parallel \
    --trust-remote-code \
    --gpu-memory-utilization 0.92

### r1
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --ipc=host \
    --device=nvidia.com/gpu=0 \
    --device=nvidia.com/gpu=1 \
    --device=nvidia.com/gpu=2 \
    --device=nvidia.com/gpu=3 \
    --device=nvidia.com/gpu=4 \
    --device=nvidia.com/gpu=5 \
    --device=nvidia.com/gpu=6 \
    --device=nvidia.com/gpu=7 \
    --volume=/srv/models/deepseek-r1-0528:/srv/models/deepseek-r1-0528:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    gpustack/runner:cuda13.0-vllm0.32.0 serve /srv/models/deepseek-r1-0528 \
    --served-model-name deepseek-r1-0528 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --enable-expert-parallel \
    --trust-remote-code \
    --reasoning-parser deepseek_r1 \
    --gpu-memory-utilization 0.92

### v3.1
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --ipc=host \
    --device=nvidia.com/gpu=0 \
    --device=nvidia.com/gpu=1 \
    --device=nvidia.com/gpu=2 \
    --device=nvidia.com/gpu=3 \
    --device=nvidia.com/gpu=4 \
    --device=nvidia.com/gpu=5 \
    --device=nvidia.com/gpu=6 \
    --device=nvidia.com/gpu=7 \
    --volume=/srv/models/deepseek-v3.1:/srv/models/deepseek-v3.1:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    gpustack/runner:cuda13.0-vllm0.32.0 serve /srv/models/deepseek-v3.1 \
    --served-model-name deepseek-v3.1 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --enable-expert-parallel \
    --trust-remote-code \
    --reasoning-parser deepseek_v3 \
    --enable-auto-tool-choice \
    --tool-call-parser deepseek_v31 \
    --gpu-memory-utilization 0.92

### v3.2
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --ipc=host \
    --device=nvidia.com/gpu=0 \
    --device=nvidia.com/gpu=1 \
    --device=nvidia.com/gpu=2 \
    --device=nvidia.com/gpu=3 \
    --device=nvidia.com/gpu=4 \
    --device=nvidia.com/gpu=5 \
    --device=nvidia.com/gpu=6 \
    --device=nvidia.com/gpu=7 \
    --volume=/srv/models/deepseek-v3.2:/srv/models/deepseek-v3.2:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    gpustack/runner:cuda13.0-vllm0.32.0 serve /srv/models/deepseek-v3.2 \
    --served-model-name deepseek-v3.2 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --enable-expert-parallel \
    --trust-remote-code \
    --tokenizer-mode deepseek_v32 \
    --reasoning-parser deepseek_v3 \
    --enable-auto-tool-choice \
    --tool-call-parser deepseek_v32 \
    --speculative-config '{"method":"mtp","num_speculative_tokens":3}' \
    --gpu-memory-utilization 0.92 \
    --kernel-config.enable_flashinfer_autotune=False

### v4
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --ipc=host \
    --device=nvidia.com/gpu=0 \
    --device=nvidia.com/gpu=1 \
    --device=nvidia.com/gpu=2 \
    --device=nvidia.com/gpu=3 \
    --device=nvidia.com/gpu=4 \
    --device=nvidia.com/gpu=5 \
    --device=nvidia.com/gpu=6 \
    --device=nvidia.com/gpu=7 \
    --volume=/srv/models/deepseek-v4-flash:/srv/models/deepseek-v4-flash:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    gpustack/runner:cuda13.0-vllm0.32.0 serve /srv/models/deepseek-v4-flash \
    --served-model-name deepseek-v4-flash \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --enable-expert-parallel \
    --trust-remote-code \
    --tokenizer-mode deepseek_v4 \
    --reasoning-parser deepseek_v4 \
    --enable-auto-tool-choice \
    --tool-call-parser deepseek_v4 \
    --kv-cache-dtype fp8 \
    --block-size 256 \
    --speculative-config '{"method":"mtp","num_speculative_tokens":1}' \
    --gpu-memory-utilization 0.92

### v4-dspark
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --ipc=host \
    --device=nvidia.com/gpu=0 \
    --device=nvidia.com/gpu=1 \
    --device=nvidia.com/gpu=2 \
    --device=nvidia.com/gpu=3 \
    --device=nvidia.com/gpu=4 \
    --device=nvidia.com/gpu=5 \
    --device=nvidia.com/gpu=6 \
    --device=nvidia.com/gpu=7 \
    --volume=/srv/models/deepseek-v4-flash-0731:/srv/models/deepseek-v4-flash-0731:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    gpustack/runner:cuda13.0-vllm0.32.0 serve /srv/models/deepseek-v4-flash-0731 \
    --served-model-name deepseek-v4-flash-0731 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --enable-expert-parallel \
    --trust-remote-code \
    --tokenizer-mode deepseek_v4 \
    --reasoning-parser deepseek_v4 \
    --enable-auto-tool-choice \
    --tool-call-parser deepseek_v4 \
    --kv-cache-dtype fp8 \
    --block-size 256 \
    --speculative-config '{"method":"dspark","num_speculative_tokens":7,"draft_sample_method":"probabilistic"}' \
    --gpu-memory-utilization 0.92

### v4.1
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --ipc=host \
    --device=nvidia.com/gpu=0 \
    --device=nvidia.com/gpu=1 \
    --device=nvidia.com/gpu=2 \
    --device=nvidia.com/gpu=3 \
    --device=nvidia.com/gpu=4 \
    --device=nvidia.com/gpu=5 \
    --device=nvidia.com/gpu=6 \
    --device=nvidia.com/gpu=7 \
    --volume=/srv/models/deepseek-v4.1-flash:/srv/models/deepseek-v4.1-flash:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    gpustack/runner:cuda13.0-vllm0.32.0 serve /srv/models/deepseek-v4.1-flash \
    --served-model-name deepseek-v4.1-flash \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --enable-expert-parallel \
    --language-model-only \
    --tokenizer-mode deepseek_v41 \
    --reasoning-parser deepseek_v41 \
    --enable-auto-tool-choice \
    --tool-call-parser deepseek_v41 \
    --speculative-config '{"method":"dspark","num_speculative_tokens":5,"draft_sample_method":"probabilistic","rejection_sample_method":"block","enable_adaptive_verification":true}' \
    --gpu-memory-utilization 0.92 \
    --engram-config '{"cpu_offload":true}'
