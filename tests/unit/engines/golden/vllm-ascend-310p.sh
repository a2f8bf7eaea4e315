### distill
# 310P has no BF16: computed as FP16
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
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
    --env=PYTORCH_NPU_ALLOC_CONF=expandable_segments:True \
    gpustack/runner:cann9.2-310p-vllm0.30.0 serve /srv/models/deepseek-r1-distill-qwen-7b \
    --served-model-name deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 2 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --reasoning-parser deepseek_r1 \
    --gpu-memory-utilization 0.9 \
    --dtype float16 \
    --enforce-eager
