### distill
# where the driver tells no architecture: S4000 is mp_22, S5000 mp_31
# the older MTT-vLLM 0.2.0 of S4000 wants its weights converted first (convert_weight.sh)
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --runtime=mthreads \
    --shm-size=80g \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=MTHREADS_VISIBLE_DEVICES=0,1 \
    --env=VLLM_WORKER_MULTIPROC_METHOD=spawn \
    gpustack/runner:musa4.1-vllm0.9.2 serve /srv/models/deepseek-r1-distill-qwen-7b \
    --served-model-name deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 2 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --reasoning-parser deepseek_r1 \
    --gpu-memory-utilization 0.9 \
    --trust-remote-code
