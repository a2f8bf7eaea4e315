### distill
# weights belong to user 1001 with mode 750, config.json has mode 640, or the server refuses
# FP8 weights must first become BF16 (fp8_cast_bf16.py) or W8A8
mkdir -p /etc/appliance/deepseek-r1-distill-qwen-7b
cat > /etc/appliance/deepseek-r1-distill-qwen-7b/mindie.json <<'END'
{
  "Version": "1.0.0",
  "ServerConfig": {
    "ipAddress": "127.0.0.1",
    "managementIpAddress": "127.0.0.1",
    "port": 8000,
    "managementPort": 8001,
    "metricsPort": 8002,
    "httpsEnabled": false,
    "inferMode": "standard"
  },
  "BackendConfig": {
    "backendName": "mindieservice_llm_engine",
    "modelInstanceNumber": 1,
    "npuDeviceIds": [[0,1]],
    "multiNodesInferEnabled": false,
    "ModelDeployConfig": {
      "maxSeqLen": 16384,
      "maxInputTokenLen": 16384,
      "truncation": false,
      "ModelConfig": [
        {
          "modelInstanceType": "Standard",
          "modelName": "deepseek-r1-distill-qwen-7b",
          "modelWeightPath": "/srv/models/deepseek-r1-distill-qwen-7b",
          "worldSize": 2,
          "cpuMemSize": 5,
          "npuMemSize": -1,
          "backendType": "atb",
          "trustRemoteCode": false
        }
      ]
    },
    "ScheduleConfig": {
      "templateType": "Standard",
      "templateName": "Standard_LLM",
      "cacheBlockSize": 128,
      "maxPrefillBatchSize": 8,
      "maxPrefillTokens": 16384,
      "maxBatchSize": 8,
      "maxIterTimes": 16384
    }
  }
}
END
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=bash \
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
    --volume=/etc/appliance/deepseek-r1-distill-qwen-7b/mindie.json:/usr/local/Ascend/mindie/latest/mindie-service/conf/config.json:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=OMP_NUM_THREADS=1 \
    --env=NPU_MEMORY_FRACTION=0.95 \
    gpustack/runner:cann8.5-910b-mindie2.3.0 \
    -c 'cd /usr/local/Ascend/mindie/latest/mindie-service && exec ./bin/mindieservice_daemon'

### v2
# weights belong to user 1001 with mode 750, config.json has mode 640, or the server refuses
# FP8 weights must first become BF16 (fp8_cast_bf16.py) or W8A8
mkdir -p /etc/appliance/deepseek-v2-lite-chat
cat > /etc/appliance/deepseek-v2-lite-chat/mindie.json <<'END'
{
  "Version": "1.0.0",
  "ServerConfig": {
    "ipAddress": "127.0.0.1",
    "managementIpAddress": "127.0.0.1",
    "port": 8000,
    "managementPort": 8001,
    "metricsPort": 8002,
    "httpsEnabled": false,
    "inferMode": "standard"
  },
  "BackendConfig": {
    "backendName": "mindieservice_llm_engine",
    "modelInstanceNumber": 1,
    "npuDeviceIds": [[0,1]],
    "multiNodesInferEnabled": false,
    "ModelDeployConfig": {
      "maxSeqLen": 16384,
      "maxInputTokenLen": 16384,
      "truncation": false,
      "ModelConfig": [
        {
          "modelInstanceType": "Standard",
          "modelName": "deepseek-v2-lite-chat",
          "modelWeightPath": "/srv/models/deepseek-v2-lite-chat",
          "worldSize": 2,
          "cpuMemSize": 5,
          "npuMemSize": -1,
          "backendType": "atb",
          "trustRemoteCode": false
        }
      ]
    },
    "ScheduleConfig": {
      "templateType": "Standard",
      "templateName": "Standard_LLM",
      "cacheBlockSize": 128,
      "maxPrefillBatchSize": 8,
      "maxPrefillTokens": 16384,
      "maxBatchSize": 8,
      "maxIterTimes": 16384
    }
  }
}
END
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=bash \
    --shm-size=16g \
    --device=/dev/davinci_manager \
    --device=/dev/devmm_svm \
    --device=/dev/hisi_hdc \
    --device=/dev/davinci0 \
    --device=/dev/davinci1 \
    --volume=/srv/models/deepseek-v2-lite-chat:/srv/models/deepseek-v2-lite-chat:ro \
    --volume=/usr/local/dcmi:/usr/local/dcmi:ro \
    --volume=/usr/local/bin/npu-smi:/usr/local/bin/npu-smi:ro \
    --volume=/usr/local/Ascend/driver/lib64:/usr/local/Ascend/driver/lib64:ro \
    --volume=/usr/local/Ascend/driver/version.info:/usr/local/Ascend/driver/version.info:ro \
    --volume=/etc/ascend_install.info:/etc/ascend_install.info:ro \
    --volume=/etc/appliance/deepseek-v2-lite-chat/mindie.json:/usr/local/Ascend/mindie/latest/mindie-service/conf/config.json:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=OMP_NUM_THREADS=1 \
    --env=NPU_MEMORY_FRACTION=0.95 \
    gpustack/runner:cann8.5-910b-mindie2.3.0 \
    -c 'cd /usr/local/Ascend/mindie/latest/mindie-service && exec ./bin/mindieservice_daemon'

### v3
# weights belong to user 1001 with mode 750, config.json has mode 640, or the server refuses
# FP8 weights must first become BF16 (fp8_cast_bf16.py) or W8A8
mkdir -p /etc/appliance/deepseek-v3-0324
cat > /etc/appliance/deepseek-v3-0324/mindie.json <<'END'
{
  "Version": "1.0.0",
  "ServerConfig": {
    "ipAddress": "127.0.0.1",
    "managementIpAddress": "127.0.0.1",
    "port": 8000,
    "managementPort": 8001,
    "metricsPort": 8002,
    "httpsEnabled": false,
    "inferMode": "standard"
  },
  "BackendConfig": {
    "backendName": "mindieservice_llm_engine",
    "modelInstanceNumber": 1,
    "npuDeviceIds": [[0,1,2,3,4,5,6,7]],
    "multiNodesInferEnabled": false,
    "ModelDeployConfig": {
      "maxSeqLen": 16384,
      "maxInputTokenLen": 16384,
      "truncation": false,
      "ModelConfig": [
        {
          "modelInstanceType": "Standard",
          "modelName": "deepseek-v3-0324",
          "modelWeightPath": "/srv/models/deepseek-v3-0324",
          "worldSize": 8,
          "cpuMemSize": 5,
          "npuMemSize": -1,
          "backendType": "atb",
          "trustRemoteCode": false
        }
      ]
    },
    "ScheduleConfig": {
      "templateType": "Standard",
      "templateName": "Standard_LLM",
      "cacheBlockSize": 128,
      "maxPrefillBatchSize": 8,
      "maxPrefillTokens": 16384,
      "maxBatchSize": 8,
      "maxIterTimes": 16384
    }
  }
}
END
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=bash \
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
    --volume=/etc/appliance/deepseek-v3-0324/mindie.json:/usr/local/Ascend/mindie/latest/mindie-service/conf/config.json:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=OMP_NUM_THREADS=1 \
    --env=NPU_MEMORY_FRACTION=0.95 \
    gpustack/runner:cann8.5-910b-mindie2.3.0 \
    -c 'cd /usr/local/Ascend/mindie/latest/mindie-service && exec ./bin/mindieservice_daemon'

### r1
# weights belong to user 1001 with mode 750, config.json has mode 640, or the server refuses
# FP8 weights must first become BF16 (fp8_cast_bf16.py) or W8A8
mkdir -p /etc/appliance/deepseek-r1-0528
cat > /etc/appliance/deepseek-r1-0528/mindie.json <<'END'
{
  "Version": "1.0.0",
  "ServerConfig": {
    "ipAddress": "127.0.0.1",
    "managementIpAddress": "127.0.0.1",
    "port": 8000,
    "managementPort": 8001,
    "metricsPort": 8002,
    "httpsEnabled": false,
    "inferMode": "standard"
  },
  "BackendConfig": {
    "backendName": "mindieservice_llm_engine",
    "modelInstanceNumber": 1,
    "npuDeviceIds": [[0,1,2,3,4,5,6,7]],
    "multiNodesInferEnabled": false,
    "ModelDeployConfig": {
      "maxSeqLen": 16384,
      "maxInputTokenLen": 16384,
      "truncation": false,
      "ModelConfig": [
        {
          "modelInstanceType": "Standard",
          "modelName": "deepseek-r1-0528",
          "modelWeightPath": "/srv/models/deepseek-r1-0528",
          "worldSize": 8,
          "cpuMemSize": 5,
          "npuMemSize": -1,
          "backendType": "atb",
          "trustRemoteCode": false
        }
      ]
    },
    "ScheduleConfig": {
      "templateType": "Standard",
      "templateName": "Standard_LLM",
      "cacheBlockSize": 128,
      "maxPrefillBatchSize": 8,
      "maxPrefillTokens": 16384,
      "maxBatchSize": 8,
      "maxIterTimes": 16384
    }
  }
}
END
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=bash \
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
    --volume=/etc/appliance/deepseek-r1-0528/mindie.json:/usr/local/Ascend/mindie/latest/mindie-service/conf/config.json:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=OMP_NUM_THREADS=1 \
    --env=NPU_MEMORY_FRACTION=0.95 \
    gpustack/runner:cann8.5-910b-mindie2.3.0 \
    -c 'cd /usr/local/Ascend/mindie/latest/mindie-service && exec ./bin/mindieservice_daemon'
