### distill
# BF16 weights are turned into FP8 while they are loaded
# privileged: Intel's image reads the cards' topology from the host
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --shm-size=32g \
    --privileged \
    --device=/dev/dri \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --volume=/dev/dri/by-path:/dev/dri/by-path \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=ZE_AFFINITY_MASK=0,1 \
    --env=VLLM_WORKER_MULTIPROC_METHOD=spawn \
    --env=VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 \
    intel/llm-scaler-vllm:0.26.0-b2 serve /srv/models/deepseek-r1-distill-qwen-7b \
    --served-model-name deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 2 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --reasoning-parser deepseek_r1 \
    --gpu-memory-utilization 0.9 \
    --dtype float16 \
    --enforce-eager \
    --disable-sliding-window \
    --block-size 64 \
    --max-num-batched-tokens 8192 \
    --quantization fp8
