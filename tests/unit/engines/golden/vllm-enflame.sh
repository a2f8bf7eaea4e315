### distill
# image: TopsRider with vllm-gcu, from Enflame
# distillations to 14B take 1 card, 32B 4, 70B 8; R1 as AWQ takes 32 cards (TP 8, PP 4, Ray)
# privileged: Enflame documents no list of device nodes for containers
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=64g \
    --privileged \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=TOPS_VISIBLE_DEVICES=0,1 \
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

### r1
# image: TopsRider with vllm-gcu, from Enflame
# distillations to 14B take 1 card, 32B 4, 70B 8; R1 as AWQ takes 32 cards (TP 8, PP 4, Ray)
# privileged: Enflame documents no list of device nodes for containers
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=64g \
    --privileged \
    --volume=/srv/models/deepseek-r1-0528:/srv/models/deepseek-r1-0528:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=TOPS_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
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
