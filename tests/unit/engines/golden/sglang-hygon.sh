### distill
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=64g \
    --group-add=video \
    --cap-add=SYS_PTRACE \
    --security-opt=seccomp=unconfined \
    --ulimit=memlock=-1 \
    --device=/dev/kfd \
    --device=/dev/mkfd \
    --device=/dev/dri \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --volume=/opt/hyhal:/opt/hyhal:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HIP_VISIBLE_DEVICES=0,1 \
    gpustack/runner:dtk26.04-sglang0.5.10 \
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

### v3
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=64g \
    --group-add=video \
    --cap-add=SYS_PTRACE \
    --security-opt=seccomp=unconfined \
    --ulimit=memlock=-1 \
    --device=/dev/kfd \
    --device=/dev/mkfd \
    --device=/dev/dri \
    --volume=/srv/models/deepseek-v3-0324:/srv/models/deepseek-v3-0324:ro \
    --volume=/opt/hyhal:/opt/hyhal:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HIP_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    gpustack/runner:dtk26.04-sglang0.5.10 \
    -m sglang.launch_server \
    --model-path /srv/models/deepseek-v3-0324 \
    --served-model-name deepseek-v3-0324 \
    --host 127.0.0.1 \
    --port 8000 \
    --tp-size 8 \
    --context-length 16384 \
    --max-running-requests 8 \
    --enable-metrics \
    --quantization w8a8_int8 \
    --trust-remote-code \
    --mem-fraction-static 0.88

### r1
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=64g \
    --group-add=video \
    --cap-add=SYS_PTRACE \
    --security-opt=seccomp=unconfined \
    --ulimit=memlock=-1 \
    --device=/dev/kfd \
    --device=/dev/mkfd \
    --device=/dev/dri \
    --volume=/srv/models/deepseek-r1-0528:/srv/models/deepseek-r1-0528:ro \
    --volume=/opt/hyhal:/opt/hyhal:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HIP_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    gpustack/runner:dtk26.04-sglang0.5.10 \
    -m sglang.launch_server \
    --model-path /srv/models/deepseek-r1-0528 \
    --served-model-name deepseek-r1-0528 \
    --host 127.0.0.1 \
    --port 8000 \
    --tp-size 8 \
    --context-length 16384 \
    --max-running-requests 8 \
    --enable-metrics \
    --quantization w8a8_int8 \
    --trust-remote-code \
    --reasoning-parser deepseek-r1 \
    --mem-fraction-static 0.88
