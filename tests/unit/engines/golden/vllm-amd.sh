### distill
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --ipc=host \
    --group-add=video \
    --security-opt=seccomp=unconfined \
    --device=/dev/kfd \
    --device=/dev/dri \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HIP_VISIBLE_DEVICES=0,1 \
    --env=VLLM_ROCM_USE_AITER=1 \
    --env=VLLM_ROCM_USE_AITER_MOE=1 \
    --env=SAFETENSORS_FAST_GPU=1 \
    gpustack/runner:rocm7.2-vllm0.32.0 serve /srv/models/deepseek-r1-distill-qwen-7b \
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
    --group-add=video \
    --security-opt=seccomp=unconfined \
    --device=/dev/kfd \
    --device=/dev/dri \
    --volume=/srv/models/deepseek-v2-lite-chat:/srv/models/deepseek-v2-lite-chat:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HIP_VISIBLE_DEVICES=0,1 \
    --env=VLLM_ROCM_USE_AITER=1 \
    --env=VLLM_ROCM_USE_AITER_MOE=1 \
    --env=SAFETENSORS_FAST_GPU=1 \
    gpustack/runner:rocm7.2-vllm0.32.0 serve /srv/models/deepseek-v2-lite-chat \
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
    --group-add=video \
    --security-opt=seccomp=unconfined \
    --device=/dev/kfd \
    --device=/dev/dri \
    --volume=/srv/models/deepseek-v3-0324:/srv/models/deepseek-v3-0324:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HIP_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=VLLM_ROCM_USE_AITER=1 \
    --env=VLLM_ROCM_USE_AITER_MOE=1 \
    --env=SAFETENSORS_FAST_GPU=1 \
    gpustack/runner:rocm7.2-vllm0.32.0 serve /srv/models/deepseek-v3-0324 \
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
    --group-add=video \
    --security-opt=seccomp=unconfined \
    --device=/dev/kfd \
    --device=/dev/dri \
    --volume=/srv/models/deepseek-r1-0528:/srv/models/deepseek-r1-0528:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HIP_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=VLLM_ROCM_USE_AITER=1 \
    --env=VLLM_ROCM_USE_AITER_MOE=1 \
    --env=SAFETENSORS_FAST_GPU=1 \
    gpustack/runner:rocm7.2-vllm0.32.0 serve /srv/models/deepseek-r1-0528 \
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
    --group-add=video \
    --security-opt=seccomp=unconfined \
    --device=/dev/kfd \
    --device=/dev/dri \
    --volume=/srv/models/deepseek-v3.1:/srv/models/deepseek-v3.1:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HIP_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=VLLM_ROCM_USE_AITER=1 \
    --env=VLLM_ROCM_USE_AITER_MOE=1 \
    --env=SAFETENSORS_FAST_GPU=1 \
    gpustack/runner:rocm7.2-vllm0.32.0 serve /srv/models/deepseek-v3.1 \
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
    --group-add=video \
    --security-opt=seccomp=unconfined \
    --device=/dev/kfd \
    --device=/dev/dri \
    --volume=/srv/models/deepseek-v3.2:/srv/models/deepseek-v3.2:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HIP_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=VLLM_ROCM_USE_AITER=1 \
    --env=VLLM_ROCM_USE_AITER_MOE=1 \
    --env=SAFETENSORS_FAST_GPU=1 \
    gpustack/runner:rocm7.2-vllm0.32.0 serve /srv/models/deepseek-v3.2 \
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
    --gpu-memory-utilization 0.92 \
    --speculative-config '{"method":"mtp","num_speculative_tokens":3}'
