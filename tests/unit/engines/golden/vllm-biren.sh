### distill
# no DeepSeek launch line is public; Qwen3 and MiniMax were verified in this form
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --shm-size=256g \
    --cap-add=IPC_LOCK \
    --ulimit=memlock=-1 \
    --ulimit=nofile=1048576 \
    --device=/dev/biren-m \
    --device=/dev/biren/card_0 \
    --device=/dev/biren/card_1 \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --volume=/usr/local/birensupa/driver:/usr/local/birensupa/driver:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=BIREN_VISIBLE_DEVICES=0,1 \
    --env=VLLM_USE_V1=1 \
    birensupa-smartinfer-vllm:26.04.rc2-py310-pt2.8.0-br1xx python3 \
    -m vllm.entrypoints.openai.api_server \
    --model /srv/models/deepseek-r1-distill-qwen-7b \
    --served-model-name deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor_parallel_size 2 \
    --max_model_len 16384 \
    --max-num-seqs 8 \
    --gpu_memory_utilization 0.8 \
    --reasoning-parser deepseek_r1
