### distill
# image: vllm-mlu with SDK 25.08 or newer, from Cambricon
# V3.2 was published on 32 devices
# privileged: Cambricon documents its containers so
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --shm-size=64g \
    --privileged \
    --device=/dev/cambricon_ctl \
    --device=/dev/cambricon_dev0 \
    --device=/dev/cambricon_ipcm0 \
    --device=/dev/cambricon_dev1 \
    --device=/dev/cambricon_ipcm1 \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --volume=/usr/bin/cnmon:/usr/bin/cnmon:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    IMAGE-FROM-VENDOR serve /srv/models/deepseek-r1-distill-qwen-7b \
    --served-model-name deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 2 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --reasoning-parser deepseek_r1 \
    --trust-remote-code \
    --no-enable-prefix-caching \
    --disable-log-requests \
    --enforce-eager

### v3
# image: vllm-mlu with SDK 25.08 or newer, from Cambricon
# V3.2 was published on 32 devices
# privileged: Cambricon documents its containers so
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --shm-size=64g \
    --privileged \
    --device=/dev/cambricon_ctl \
    --device=/dev/cambricon_dev0 \
    --device=/dev/cambricon_ipcm0 \
    --device=/dev/cambricon_dev1 \
    --device=/dev/cambricon_ipcm1 \
    --device=/dev/cambricon_dev2 \
    --device=/dev/cambricon_ipcm2 \
    --device=/dev/cambricon_dev3 \
    --device=/dev/cambricon_ipcm3 \
    --device=/dev/cambricon_dev4 \
    --device=/dev/cambricon_ipcm4 \
    --device=/dev/cambricon_dev5 \
    --device=/dev/cambricon_ipcm5 \
    --device=/dev/cambricon_dev6 \
    --device=/dev/cambricon_ipcm6 \
    --device=/dev/cambricon_dev7 \
    --device=/dev/cambricon_ipcm7 \
    --volume=/srv/models/deepseek-v3-0324:/srv/models/deepseek-v3-0324:ro \
    --volume=/usr/bin/cnmon:/usr/bin/cnmon:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    IMAGE-FROM-VENDOR serve /srv/models/deepseek-v3-0324 \
    --served-model-name deepseek-v3-0324 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --enable-expert-parallel \
    --trust-remote-code \
    --no-enable-prefix-caching \
    --disable-log-requests \
    --enforce-eager

### r1
# image: vllm-mlu with SDK 25.08 or newer, from Cambricon
# V3.2 was published on 32 devices
# privileged: Cambricon documents its containers so
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --shm-size=64g \
    --privileged \
    --device=/dev/cambricon_ctl \
    --device=/dev/cambricon_dev0 \
    --device=/dev/cambricon_ipcm0 \
    --device=/dev/cambricon_dev1 \
    --device=/dev/cambricon_ipcm1 \
    --device=/dev/cambricon_dev2 \
    --device=/dev/cambricon_ipcm2 \
    --device=/dev/cambricon_dev3 \
    --device=/dev/cambricon_ipcm3 \
    --device=/dev/cambricon_dev4 \
    --device=/dev/cambricon_ipcm4 \
    --device=/dev/cambricon_dev5 \
    --device=/dev/cambricon_ipcm5 \
    --device=/dev/cambricon_dev6 \
    --device=/dev/cambricon_ipcm6 \
    --device=/dev/cambricon_dev7 \
    --device=/dev/cambricon_ipcm7 \
    --volume=/srv/models/deepseek-r1-0528:/srv/models/deepseek-r1-0528:ro \
    --volume=/usr/bin/cnmon:/usr/bin/cnmon:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    IMAGE-FROM-VENDOR serve /srv/models/deepseek-r1-0528 \
    --served-model-name deepseek-r1-0528 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --enable-expert-parallel \
    --trust-remote-code \
    --reasoning-parser deepseek_r1 \
    --no-enable-prefix-caching \
    --disable-log-requests \
    --enforce-eager

### v3.2
# image: vllm-mlu with SDK 25.08 or newer, from Cambricon
# V3.2 was published on 32 devices
# privileged: Cambricon documents its containers so
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
    --shm-size=64g \
    --privileged \
    --device=/dev/cambricon_ctl \
    --device=/dev/cambricon_dev0 \
    --device=/dev/cambricon_ipcm0 \
    --device=/dev/cambricon_dev1 \
    --device=/dev/cambricon_ipcm1 \
    --device=/dev/cambricon_dev2 \
    --device=/dev/cambricon_ipcm2 \
    --device=/dev/cambricon_dev3 \
    --device=/dev/cambricon_ipcm3 \
    --device=/dev/cambricon_dev4 \
    --device=/dev/cambricon_ipcm4 \
    --device=/dev/cambricon_dev5 \
    --device=/dev/cambricon_ipcm5 \
    --device=/dev/cambricon_dev6 \
    --device=/dev/cambricon_ipcm6 \
    --device=/dev/cambricon_dev7 \
    --device=/dev/cambricon_ipcm7 \
    --volume=/srv/models/deepseek-v3.2:/srv/models/deepseek-v3.2:ro \
    --volume=/usr/bin/cnmon:/usr/bin/cnmon:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    IMAGE-FROM-VENDOR serve /srv/models/deepseek-v3.2 \
    --served-model-name deepseek-v3.2 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --enable-expert-parallel \
    --trust-remote-code \
    --tokenizer-mode deepseek_v32 \
    --reasoning-parser deepseek_v3 \
    --enable-auto-tool-choice \
    --tool-call-parser deepseek_v32 \
    --no-enable-prefix-caching \
    --disable-log-requests \
    --enforce-eager
