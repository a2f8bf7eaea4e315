### distill
# image: vllm_gcu of TopsRider 3.6 or newer, from Enflame (vLLM 0.11.0 with TopsRider 3.7.107 go together)
# enflame-container-toolkit must be Docker's runtime `enflame`
# distillations to 14B and V2-Lite take 1 card, 32B 4, 70B 8; R1 as AWQ takes 32 cards (TP 8, PP 4, Ray)
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --runtime=enflame \
    --shm-size=64g \
    --cap-add=SYS_PTRACE \
    --security-opt=seccomp=unconfined \
    --ulimit=memlock=-1 \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=ENFLAME_VISIBLE_DEVICES=0,1 \
    IMAGE-FROM-VENDOR \
    -m vllm.entrypoints.openai.api_server \
    --model /srv/models/deepseek-r1-distill-qwen-7b \
    --served-model-name deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 2 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --reasoning-parser deepseek_r1 \
    --disable-log-requests \
    --gpu-memory-utilization 0.9 \
    --block-size 64 \
    --dtype bfloat16 \
    --device gcu

### v2
# image: vllm_gcu of TopsRider 3.6 or newer, from Enflame (vLLM 0.11.0 with TopsRider 3.7.107 go together)
# enflame-container-toolkit must be Docker's runtime `enflame`
# distillations to 14B and V2-Lite take 1 card, 32B 4, 70B 8; R1 as AWQ takes 32 cards (TP 8, PP 4, Ray)
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --runtime=enflame \
    --shm-size=64g \
    --cap-add=SYS_PTRACE \
    --security-opt=seccomp=unconfined \
    --ulimit=memlock=-1 \
    --volume=/srv/models/deepseek-v2-lite-chat:/srv/models/deepseek-v2-lite-chat:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=ENFLAME_VISIBLE_DEVICES=0,1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    IMAGE-FROM-VENDOR \
    -m vllm.entrypoints.openai.api_server \
    --model /srv/models/deepseek-v2-lite-chat \
    --served-model-name deepseek-v2-lite-chat \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 2 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --trust-remote-code \
    --disable-log-requests \
    --gpu-memory-utilization 0.9 \
    --block-size 64 \
    --dtype bfloat16 \
    --device gcu

### r1
# image: vllm_gcu of TopsRider 3.6 or newer, from Enflame (vLLM 0.11.0 with TopsRider 3.7.107 go together)
# enflame-container-toolkit must be Docker's runtime `enflame`
# distillations to 14B and V2-Lite take 1 card, 32B 4, 70B 8; R1 as AWQ takes 32 cards (TP 8, PP 4, Ray)
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --runtime=enflame \
    --shm-size=64g \
    --cap-add=SYS_PTRACE \
    --security-opt=seccomp=unconfined \
    --ulimit=memlock=-1 \
    --volume=/srv/models/deepseek-r1-0528:/srv/models/deepseek-r1-0528:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=ENFLAME_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    IMAGE-FROM-VENDOR \
    -m vllm.entrypoints.openai.api_server \
    --model /srv/models/deepseek-r1-0528 \
    --served-model-name deepseek-r1-0528 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --trust-remote-code \
    --reasoning-parser deepseek_r1 \
    --disable-log-requests \
    --gpu-memory-utilization 0.9 \
    --block-size 64 \
    --dtype bfloat16 \
    --device gcu
