### distill
# plugin and MACA must match: 0.19.0 goes with MACA 3.5.3 and mcoplib 0.4.4, this image is MACA 3.7 with 0.21.0
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --shm-size=100g \
    --group-add=video \
    --security-opt=seccomp=unconfined \
    --security-opt=apparmor=unconfined \
    --ulimit=memlock=-1 \
    --device=/dev/dri \
    --device=/dev/mxcd \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=CUDA_VISIBLE_DEVICES=0,1 \
    --env=MACA_VISIBLE_DEVICES=0,1 \
    --env=VLLM_DISABLE_SHARED_EXPERTS_STREAM=1 \
    gpustack/runner:maca3.7-vllm0.21.0 serve /srv/models/deepseek-r1-distill-qwen-7b \
    --served-model-name deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 2 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --reasoning-parser deepseek_r1 \
    --gpu-memory-utilization 0.9

### v2
# plugin and MACA must match: 0.19.0 goes with MACA 3.5.3 and mcoplib 0.4.4, this image is MACA 3.7 with 0.21.0
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --shm-size=100g \
    --group-add=video \
    --security-opt=seccomp=unconfined \
    --security-opt=apparmor=unconfined \
    --ulimit=memlock=-1 \
    --device=/dev/dri \
    --device=/dev/mxcd \
    --volume=/srv/models/deepseek-v2-lite-chat:/srv/models/deepseek-v2-lite-chat:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=CUDA_VISIBLE_DEVICES=0,1 \
    --env=MACA_VISIBLE_DEVICES=0,1 \
    --env=VLLM_DISABLE_SHARED_EXPERTS_STREAM=1 \
    gpustack/runner:maca3.7-vllm0.21.0 serve /srv/models/deepseek-v2-lite-chat \
    --served-model-name deepseek-v2-lite-chat \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 2 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --trust-remote-code \
    --gpu-memory-utilization 0.9

### v3
# plugin and MACA must match: 0.19.0 goes with MACA 3.5.3 and mcoplib 0.4.4, this image is MACA 3.7 with 0.21.0
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --shm-size=100g \
    --group-add=video \
    --security-opt=seccomp=unconfined \
    --security-opt=apparmor=unconfined \
    --ulimit=memlock=-1 \
    --device=/dev/dri \
    --device=/dev/mxcd \
    --volume=/srv/models/deepseek-v3-0324:/srv/models/deepseek-v3-0324:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=MACA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=VLLM_DISABLE_SHARED_EXPERTS_STREAM=1 \
    gpustack/runner:maca3.7-vllm0.21.0 serve /srv/models/deepseek-v3-0324 \
    --served-model-name deepseek-v3-0324 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --trust-remote-code \
    --gpu-memory-utilization 0.9

### r1
# plugin and MACA must match: 0.19.0 goes with MACA 3.5.3 and mcoplib 0.4.4, this image is MACA 3.7 with 0.21.0
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --shm-size=100g \
    --group-add=video \
    --security-opt=seccomp=unconfined \
    --security-opt=apparmor=unconfined \
    --ulimit=memlock=-1 \
    --device=/dev/dri \
    --device=/dev/mxcd \
    --volume=/srv/models/deepseek-r1-0528:/srv/models/deepseek-r1-0528:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=MACA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=VLLM_DISABLE_SHARED_EXPERTS_STREAM=1 \
    gpustack/runner:maca3.7-vllm0.21.0 serve /srv/models/deepseek-r1-0528 \
    --served-model-name deepseek-r1-0528 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --trust-remote-code \
    --reasoning-parser deepseek_r1 \
    --gpu-memory-utilization 0.9

### v3.1
# plugin and MACA must match: 0.19.0 goes with MACA 3.5.3 and mcoplib 0.4.4, this image is MACA 3.7 with 0.21.0
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --shm-size=100g \
    --group-add=video \
    --security-opt=seccomp=unconfined \
    --security-opt=apparmor=unconfined \
    --ulimit=memlock=-1 \
    --device=/dev/dri \
    --device=/dev/mxcd \
    --volume=/srv/models/deepseek-v3.1:/srv/models/deepseek-v3.1:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=MACA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=VLLM_DISABLE_SHARED_EXPERTS_STREAM=1 \
    gpustack/runner:maca3.7-vllm0.21.0 serve /srv/models/deepseek-v3.1 \
    --served-model-name deepseek-v3.1 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --trust-remote-code \
    --reasoning-parser deepseek_v3 \
    --enable-auto-tool-choice \
    --tool-call-parser deepseek_v31 \
    --gpu-memory-utilization 0.9
