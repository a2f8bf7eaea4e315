### distill
# image: Cambricon's PyTorch container (torch 2.7.1, torch_mlu 1.28.0, SDK 25.08 go together) with vllm-mlu installed
# V3.2 was published on 32 devices; distillations are inferred
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=bash \
    --shm-size=64g \
    --cap-add=SYS_PTRACE \
    --ulimit=memlock=-1 \
    --device=/dev/cambricon_ctl \
    --device=/dev/cambricon_dev0 \
    --device=/dev/cambricon_dev1 \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --volume=/usr/bin/cnmon:/usr/bin/cnmon:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    IMAGE-FROM-VENDOR \
    -c '. /torch/venv3/pytorch_infer/bin/activate && exec "$0" "$@"' vllm serve /srv/models/deepseek-r1-distill-qwen-7b \
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
# image: Cambricon's PyTorch container (torch 2.7.1, torch_mlu 1.28.0, SDK 25.08 go together) with vllm-mlu installed
# V3.2 was published on 32 devices; distillations are inferred
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=bash \
    --shm-size=64g \
    --cap-add=SYS_PTRACE \
    --ulimit=memlock=-1 \
    --device=/dev/cambricon_ctl \
    --device=/dev/cambricon_dev0 \
    --device=/dev/cambricon_dev1 \
    --device=/dev/cambricon_dev2 \
    --device=/dev/cambricon_dev3 \
    --device=/dev/cambricon_dev4 \
    --device=/dev/cambricon_dev5 \
    --device=/dev/cambricon_dev6 \
    --device=/dev/cambricon_dev7 \
    --volume=/srv/models/deepseek-v3-0324:/srv/models/deepseek-v3-0324:ro \
    --volume=/usr/bin/cnmon:/usr/bin/cnmon:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    IMAGE-FROM-VENDOR \
    -c '. /torch/venv3/pytorch_infer/bin/activate && exec "$0" "$@"' vllm serve /srv/models/deepseek-v3-0324 \
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
# image: Cambricon's PyTorch container (torch 2.7.1, torch_mlu 1.28.0, SDK 25.08 go together) with vllm-mlu installed
# V3.2 was published on 32 devices; distillations are inferred
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=bash \
    --shm-size=64g \
    --cap-add=SYS_PTRACE \
    --ulimit=memlock=-1 \
    --device=/dev/cambricon_ctl \
    --device=/dev/cambricon_dev0 \
    --device=/dev/cambricon_dev1 \
    --device=/dev/cambricon_dev2 \
    --device=/dev/cambricon_dev3 \
    --device=/dev/cambricon_dev4 \
    --device=/dev/cambricon_dev5 \
    --device=/dev/cambricon_dev6 \
    --device=/dev/cambricon_dev7 \
    --volume=/srv/models/deepseek-r1-0528:/srv/models/deepseek-r1-0528:ro \
    --volume=/usr/bin/cnmon:/usr/bin/cnmon:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    IMAGE-FROM-VENDOR \
    -c '. /torch/venv3/pytorch_infer/bin/activate && exec "$0" "$@"' vllm serve /srv/models/deepseek-r1-0528 \
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
# image: Cambricon's PyTorch container (torch 2.7.1, torch_mlu 1.28.0, SDK 25.08 go together) with vllm-mlu installed
# V3.2 was published on 32 devices; distillations are inferred
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=bash \
    --shm-size=64g \
    --cap-add=SYS_PTRACE \
    --ulimit=memlock=-1 \
    --device=/dev/cambricon_ctl \
    --device=/dev/cambricon_dev0 \
    --device=/dev/cambricon_dev1 \
    --device=/dev/cambricon_dev2 \
    --device=/dev/cambricon_dev3 \
    --device=/dev/cambricon_dev4 \
    --device=/dev/cambricon_dev5 \
    --device=/dev/cambricon_dev6 \
    --device=/dev/cambricon_dev7 \
    --volume=/srv/models/deepseek-v3.2:/srv/models/deepseek-v3.2:ro \
    --volume=/usr/bin/cnmon:/usr/bin/cnmon:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=VLLM_ENGINE_READY_TIMEOUT_S=3600 \
    IMAGE-FROM-VENDOR \
    -c '. /torch/venv3/pytorch_infer/bin/activate && exec "$0" "$@"' vllm serve /srv/models/deepseek-v3.2 \
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
