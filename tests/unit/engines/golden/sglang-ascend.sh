### distill
# on A3 a card is two devices: the tensor-parallel size is twice the cards
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=16g \
    --device=/dev/davinci_manager \
    --device=/dev/devmm_svm \
    --device=/dev/hisi_hdc \
    --device=/dev/davinci0 \
    --device=/dev/davinci1 \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --volume=/usr/local/dcmi:/usr/local/dcmi:ro \
    --volume=/usr/local/bin/npu-smi:/usr/local/bin/npu-smi:ro \
    --volume=/usr/local/Ascend/driver/lib64:/usr/local/Ascend/driver/lib64:ro \
    --volume=/usr/local/Ascend/driver/version.info:/usr/local/Ascend/driver/version.info:ro \
    --volume=/etc/ascend_install.info:/etc/ascend_install.info:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    gpustack/runner:cann9.0-910b-sglang0.5.20 \
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
    --device npu \
    --attention-backend ascend

### v3
# on A3 a card is two devices: the tensor-parallel size is twice the cards
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=16g \
    --device=/dev/davinci_manager \
    --device=/dev/devmm_svm \
    --device=/dev/hisi_hdc \
    --device=/dev/davinci0 \
    --device=/dev/davinci1 \
    --device=/dev/davinci2 \
    --device=/dev/davinci3 \
    --device=/dev/davinci4 \
    --device=/dev/davinci5 \
    --device=/dev/davinci6 \
    --device=/dev/davinci7 \
    --volume=/srv/models/deepseek-v3-0324:/srv/models/deepseek-v3-0324:ro \
    --volume=/usr/local/dcmi:/usr/local/dcmi:ro \
    --volume=/usr/local/bin/npu-smi:/usr/local/bin/npu-smi:ro \
    --volume=/usr/local/Ascend/driver/lib64:/usr/local/Ascend/driver/lib64:ro \
    --volume=/usr/local/Ascend/driver/version.info:/usr/local/Ascend/driver/version.info:ro \
    --volume=/etc/ascend_install.info:/etc/ascend_install.info:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    gpustack/runner:cann9.0-910b-sglang0.5.20 \
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
    --mem-fraction-static 0.8 \
    --device npu \
    --attention-backend ascend \
    --quantization modelslim

### r1
# on A3 a card is two devices: the tensor-parallel size is twice the cards
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=16g \
    --device=/dev/davinci_manager \
    --device=/dev/devmm_svm \
    --device=/dev/hisi_hdc \
    --device=/dev/davinci0 \
    --device=/dev/davinci1 \
    --device=/dev/davinci2 \
    --device=/dev/davinci3 \
    --device=/dev/davinci4 \
    --device=/dev/davinci5 \
    --device=/dev/davinci6 \
    --device=/dev/davinci7 \
    --volume=/srv/models/deepseek-r1-0528:/srv/models/deepseek-r1-0528:ro \
    --volume=/usr/local/dcmi:/usr/local/dcmi:ro \
    --volume=/usr/local/bin/npu-smi:/usr/local/bin/npu-smi:ro \
    --volume=/usr/local/Ascend/driver/lib64:/usr/local/Ascend/driver/lib64:ro \
    --volume=/usr/local/Ascend/driver/version.info:/usr/local/Ascend/driver/version.info:ro \
    --volume=/etc/ascend_install.info:/etc/ascend_install.info:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    gpustack/runner:cann9.0-910b-sglang0.5.20 \
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
    --mem-fraction-static 0.8 \
    --device npu \
    --attention-backend ascend \
    --quantization modelslim

### v3.1
# on A3 a card is two devices: the tensor-parallel size is twice the cards
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=16g \
    --device=/dev/davinci_manager \
    --device=/dev/devmm_svm \
    --device=/dev/hisi_hdc \
    --device=/dev/davinci0 \
    --device=/dev/davinci1 \
    --device=/dev/davinci2 \
    --device=/dev/davinci3 \
    --device=/dev/davinci4 \
    --device=/dev/davinci5 \
    --device=/dev/davinci6 \
    --device=/dev/davinci7 \
    --volume=/srv/models/deepseek-v3.1:/srv/models/deepseek-v3.1:ro \
    --volume=/usr/local/dcmi:/usr/local/dcmi:ro \
    --volume=/usr/local/bin/npu-smi:/usr/local/bin/npu-smi:ro \
    --volume=/usr/local/Ascend/driver/lib64:/usr/local/Ascend/driver/lib64:ro \
    --volume=/usr/local/Ascend/driver/version.info:/usr/local/Ascend/driver/version.info:ro \
    --volume=/etc/ascend_install.info:/etc/ascend_install.info:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    gpustack/runner:cann9.0-910b-sglang0.5.20 \
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
    --mem-fraction-static 0.8 \
    --device npu \
    --attention-backend ascend \
    --quantization modelslim

### v3.2
# on A3 a card is two devices: the tensor-parallel size is twice the cards
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=16g \
    --device=/dev/davinci_manager \
    --device=/dev/devmm_svm \
    --device=/dev/hisi_hdc \
    --device=/dev/davinci0 \
    --device=/dev/davinci1 \
    --device=/dev/davinci2 \
    --device=/dev/davinci3 \
    --device=/dev/davinci4 \
    --device=/dev/davinci5 \
    --device=/dev/davinci6 \
    --device=/dev/davinci7 \
    --volume=/srv/models/deepseek-v3.2:/srv/models/deepseek-v3.2:ro \
    --volume=/usr/local/dcmi:/usr/local/dcmi:ro \
    --volume=/usr/local/bin/npu-smi:/usr/local/bin/npu-smi:ro \
    --volume=/usr/local/Ascend/driver/lib64:/usr/local/Ascend/driver/lib64:ro \
    --volume=/usr/local/Ascend/driver/version.info:/usr/local/Ascend/driver/version.info:ro \
    --volume=/etc/ascend_install.info:/etc/ascend_install.info:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    gpustack/runner:cann9.0-910b-sglang0.5.20 \
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
    --mem-fraction-static 0.8 \
    --device npu \
    --attention-backend ascend \
    --quantization modelslim

### v4
# on A3 a card is two devices: the tensor-parallel size is twice the cards
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --shm-size=16g \
    --device=/dev/davinci_manager \
    --device=/dev/devmm_svm \
    --device=/dev/hisi_hdc \
    --device=/dev/davinci0 \
    --device=/dev/davinci1 \
    --device=/dev/davinci2 \
    --device=/dev/davinci3 \
    --device=/dev/davinci4 \
    --device=/dev/davinci5 \
    --device=/dev/davinci6 \
    --device=/dev/davinci7 \
    --volume=/srv/models/deepseek-v4-flash:/srv/models/deepseek-v4-flash:ro \
    --volume=/usr/local/dcmi:/usr/local/dcmi:ro \
    --volume=/usr/local/bin/npu-smi:/usr/local/bin/npu-smi:ro \
    --volume=/usr/local/Ascend/driver/lib64:/usr/local/Ascend/driver/lib64:ro \
    --volume=/usr/local/Ascend/driver/version.info:/usr/local/Ascend/driver/version.info:ro \
    --volume=/etc/ascend_install.info:/etc/ascend_install.info:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    gpustack/runner:cann9.0-910b-sglang0.5.20 \
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
    --mem-fraction-static 0.8 \
    --device npu \
    --attention-backend ascend \
    --quantization modelslim
