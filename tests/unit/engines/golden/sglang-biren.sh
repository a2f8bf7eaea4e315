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
    --env=BRTB_PLAN_ID_RENEW=1 \
    --env=BRTB_DISABLE_ZERO_REORDER=1 \
    --env=BRTB_DISABLE_ZERO_OUTPUT_NUMA=1 \
    --env=BRTB_DISABLE_ZERO_OUTPUT_UMA=1 \
    --env=BRTB_DISABLE_ZERO_WS=1 \
    birensupa-smartinfer-sglang:26.04.rc2-py310-pt2.9.0-br1xx python3 \
    -m sglang.launch_server \
    --model-path /srv/models/deepseek-r1-distill-qwen-7b \
    --served-model-name deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --tp-size 2 \
    --context-length 16384 \
    --max-running-requests 8 \
    --enable-metrics \
    --reasoning-parser deepseek-r1 \
    --mem-fraction-static 0.8 \
    --page-size 128
