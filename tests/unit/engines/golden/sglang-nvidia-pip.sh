### distill
export HF_HUB_OFFLINE=1
export TRANSFORMERS_OFFLINE=1
export VLLM_NO_USAGE_STATS=1
export DO_NOT_TRACK=1
export PATH=/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin:/usr/bin:/bin
export CUDA_VISIBLE_DEVICES=0,1
/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin/python3 \
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
export HF_HUB_OFFLINE=1
export TRANSFORMERS_OFFLINE=1
export VLLM_NO_USAGE_STATS=1
export DO_NOT_TRACK=1
export PATH=/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin:/usr/bin:/bin
export CUDA_VISIBLE_DEVICES=0,1
/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin/python3 \
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
export HF_HUB_OFFLINE=1
export TRANSFORMERS_OFFLINE=1
export VLLM_NO_USAGE_STATS=1
export DO_NOT_TRACK=1
export PATH=/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin:/usr/bin:/bin
export CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7
/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin/python3 \
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
export HF_HUB_OFFLINE=1
export TRANSFORMERS_OFFLINE=1
export VLLM_NO_USAGE_STATS=1
export DO_NOT_TRACK=1
export PATH=/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin:/usr/bin:/bin
export CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7
/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin/python3 \
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
export HF_HUB_OFFLINE=1
export TRANSFORMERS_OFFLINE=1
export VLLM_NO_USAGE_STATS=1
export DO_NOT_TRACK=1
export PATH=/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin:/usr/bin:/bin
export CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7
/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin/python3 \
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
export HF_HUB_OFFLINE=1
export TRANSFORMERS_OFFLINE=1
export VLLM_NO_USAGE_STATS=1
export DO_NOT_TRACK=1
export PATH=/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin:/usr/bin:/bin
export CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7
/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin/python3 \
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
export HF_HUB_OFFLINE=1
export TRANSFORMERS_OFFLINE=1
export VLLM_NO_USAGE_STATS=1
export DO_NOT_TRACK=1
export PATH=/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin:/usr/bin:/bin
export CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7
/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin/python3 \
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
export HF_HUB_OFFLINE=1
export TRANSFORMERS_OFFLINE=1
export VLLM_NO_USAGE_STATS=1
export DO_NOT_TRACK=1
export PATH=/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin:/usr/bin:/bin
export CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7
/var/lib/appliance/data/engines/environments/sglang-cuda/v1/bin/python3 \
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
