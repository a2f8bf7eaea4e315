### v4
# verified on MI325X and MI355X (V4) and on MI350X (V4.1) with nightly images; MI300X is named as unsupported
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
    --volume=/srv/models/deepseek-v4-flash:/srv/models/deepseek-v4-flash:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HIP_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=VLLM_ROCM_USE_AITER=1 \
    --env=VLLM_ROCM_USE_AITER_MOE=1 \
    --env=AITER_TRITON_LOG_LEVEL=ERROR \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    gpustack/runner:rocm7.2-vllm0.32.0 serve /srv/models/deepseek-v4-flash \
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
    --gpu-memory-utilization 0.9 \
    --speculative-config '{"method":"mtp","num_speculative_tokens":2}' \
    --distributed-executor-backend mp \
    --max-num-batched-tokens 8192 \
    --compilation-config '{"mode": 3, "cudagraph_mode": "FULL_DECODE_ONLY"}'

### v4-dspark
# verified on MI325X and MI355X (V4) and on MI350X (V4.1) with nightly images; MI300X is named as unsupported
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
    --volume=/srv/models/deepseek-v4-flash-0731:/srv/models/deepseek-v4-flash-0731:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HIP_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=VLLM_ROCM_USE_AITER=1 \
    --env=VLLM_ROCM_USE_AITER_MOE=1 \
    --env=AITER_TRITON_LOG_LEVEL=ERROR \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    gpustack/runner:rocm7.2-vllm0.32.0 serve /srv/models/deepseek-v4-flash-0731 \
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
    --gpu-memory-utilization 0.9 \
    --speculative-config '{"method":"dspark","num_speculative_tokens":7,"draft_sample_method":"probabilistic"}' \
    --distributed-executor-backend mp \
    --max-num-batched-tokens 8192 \
    --compilation-config '{"mode": 3, "cudagraph_mode": "FULL_DECODE_ONLY"}'

### v4.1
# verified on MI325X and MI355X (V4) and on MI350X (V4.1) with nightly images; MI300X is named as unsupported
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
    --volume=/srv/models/deepseek-v4.1-flash:/srv/models/deepseek-v4.1-flash:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HIP_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=VLLM_ROCM_USE_AITER=1 \
    --env=VLLM_ROCM_USE_AITER_MOE=1 \
    --env=AITER_TRITON_LOG_LEVEL=ERROR \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    --env=VLLM_USE_BREAKABLE_CUDAGRAPH=1 \
    gpustack/runner:rocm7.2-vllm0.32.0 serve /srv/models/deepseek-v4.1-flash \
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
    --gpu-memory-utilization 0.9 \
    --speculative-config '{"method":"dspark","num_speculative_tokens":5,"draft_sample_method":"probabilistic","rejection_sample_method":"block","enable_adaptive_verification":false}' \
    --moe-backend aiter
