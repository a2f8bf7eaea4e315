### distill
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
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
    gpustack/runner:hggc13.0-sglang0.5.12 \
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
    --mem-fraction-static 0.85

### v3
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
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
    gpustack/runner:hggc13.0-sglang0.5.12 \
    -m sglang.launch_server \
    --model-path /srv/models/deepseek-v3-0324 \
    --served-model-name deepseek-v3-0324 \
    --host 127.0.0.1 \
    --port 8000 \
    --tp-size 8 \
    --context-length 16384 \
    --max-running-requests 8 \
    --enable-metrics \
    --trust-remote-code \
    --mem-fraction-static 0.85

### r1
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
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
    gpustack/runner:hggc13.0-sglang0.5.12 \
    -m sglang.launch_server \
    --model-path /srv/models/deepseek-r1-0528 \
    --served-model-name deepseek-r1-0528 \
    --host 127.0.0.1 \
    --port 8000 \
    --tp-size 8 \
    --context-length 16384 \
    --max-running-requests 8 \
    --enable-metrics \
    --trust-remote-code \
    --reasoning-parser deepseek-r1 \
    --mem-fraction-static 0.85

### v4
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
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
    --volume=/srv/models/deepseek-v4-flash:/srv/models/deepseek-v4-flash:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    gpustack/runner:hggc13.0-sglang0.5.12 \
    -m sglang.launch_server \
    --model-path /srv/models/deepseek-v4-flash \
    --served-model-name deepseek-v4-flash \
    --host 127.0.0.1 \
    --port 8000 \
    --tp-size 8 \
    --context-length 16384 \
    --max-running-requests 8 \
    --enable-metrics \
    --trust-remote-code \
    --reasoning-parser deepseek-v4 \
    --tool-call-parser deepseekv4 \
    --mem-fraction-static 0.85
