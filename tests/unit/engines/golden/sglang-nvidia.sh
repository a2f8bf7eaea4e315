### distill
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --ipc=host \
    --device=nvidia.com/gpu=0 \
    --device=nvidia.com/gpu=1 \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    gpustack/runner:cuda13.0-sglang0.5.22 \
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
    --mem-fraction-static 0.88

### v2
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --ipc=host \
    --device=nvidia.com/gpu=0 \
    --device=nvidia.com/gpu=1 \
    --volume=/srv/models/deepseek-v2-lite-chat:/srv/models/deepseek-v2-lite-chat:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    gpustack/runner:cuda13.0-sglang0.5.22 \
    -m sglang.launch_server \
    --model-path /srv/models/deepseek-v2-lite-chat \
    --served-model-name deepseek-v2-lite-chat \
    --host 127.0.0.1 \
    --port 8000 \
    --tp-size 2 \
    --context-length 16384 \
    --max-running-requests 8 \
    --enable-metrics \
    --trust-remote-code \
    --mem-fraction-static 0.88

### v3
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
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
    gpustack/runner:cuda13.0-sglang0.5.22 \
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
    --mem-fraction-static 0.88 \
    --speculative-algorithm EAGLE

### r1
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
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
    gpustack/runner:cuda13.0-sglang0.5.22 \
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
    --mem-fraction-static 0.88 \
    --speculative-algorithm EAGLE

### v3.1
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
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
    gpustack/runner:cuda13.0-sglang0.5.22 \
    -m sglang.launch_server \
    --model-path /srv/models/deepseek-v3.1 \
    --served-model-name deepseek-v3.1 \
    --host 127.0.0.1 \
    --port 8000 \
    --tp-size 8 \
    --context-length 16384 \
    --max-running-requests 8 \
    --enable-metrics \
    --trust-remote-code \
    --reasoning-parser deepseek-v3 \
    --tool-call-parser deepseekv31 \
    --mem-fraction-static 0.88 \
    --speculative-algorithm EAGLE

### v3.2
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
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
    gpustack/runner:cuda13.0-sglang0.5.22 \
    -m sglang.launch_server \
    --model-path /srv/models/deepseek-v3.2 \
    --served-model-name deepseek-v3.2 \
    --host 127.0.0.1 \
    --port 8000 \
    --tp-size 8 \
    --context-length 16384 \
    --max-running-requests 8 \
    --enable-metrics \
    --trust-remote-code \
    --reasoning-parser deepseek-v3 \
    --tool-call-parser deepseekv32 \
    --mem-fraction-static 0.88 \
    --speculative-algorithm EAGLE \
    --speculative-num-steps 3 \
    --speculative-eagle-topk 1 \
    --speculative-num-draft-tokens 4

### v4
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
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
    gpustack/runner:cuda13.0-sglang0.5.22 \
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
    --mem-fraction-static 0.88 \
    --speculative-algorithm EAGLE \
    --speculative-num-steps 3 \
    --speculative-eagle-topk 1 \
    --speculative-num-draft-tokens 4 \
    --swa-full-tokens-ratio 0.1 \
    --moe-runner-backend marlin

### v4-dspark
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
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
    gpustack/runner:cuda13.0-sglang0.5.22 \
    -m sglang.launch_server \
    --model-path /srv/models/deepseek-v4-flash-0731 \
    --served-model-name deepseek-v4-flash-0731 \
    --host 127.0.0.1 \
    --port 8000 \
    --tp-size 8 \
    --context-length 16384 \
    --max-running-requests 8 \
    --enable-metrics \
    --trust-remote-code \
    --reasoning-parser deepseek-v4 \
    --tool-call-parser deepseekv4 \
    --mem-fraction-static 0.88 \
    --speculative-algorithm DSPARK \
    --swa-full-tokens-ratio 0.1 \
    --moe-runner-backend marlin
