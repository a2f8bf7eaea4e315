### distill
# image: HabanaAI/vllm-fork installed on vault.habana.ai/gaudi-docker's pytorch-installer for your driver
# R1 and V3 need static FP8 weights made with convert_block_fp8_to_channel_fp8.py
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --runtime=habana \
    --ipc=host \
    --cap-add=sys_nice \
    --volume=/srv/models/deepseek-r1-distill-qwen-7b:/srv/models/deepseek-r1-distill-qwen-7b:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HABANA_VISIBLE_DEVICES=0,1 \
    --env=OMPI_MCA_btl_vader_single_copy_mechanism=none \
    --env=PT_HPU_ENABLE_LAZY_COLLECTIVES=true \
    --env=PT_HPU_WEIGHT_SHARING=0 \
    --env=PT_HPU_LAZY_MODE=1 \
    --env=VLLM_MLA_DISABLE_REQUANTIZATION=1 \
    --env=VLLM_ENABLE_EXPERT_PARALLEL=0 \
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
    --block-size 128 \
    --device hpu \
    --dtype bfloat16 \
    --use-v2-block-manager \
    --distributed_executor_backend mp

### v3
# image: HabanaAI/vllm-fork installed on vault.habana.ai/gaudi-docker's pytorch-installer for your driver
# R1 and V3 need static FP8 weights made with convert_block_fp8_to_channel_fp8.py
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --runtime=habana \
    --ipc=host \
    --cap-add=sys_nice \
    --volume=/srv/models/deepseek-v3-0324:/srv/models/deepseek-v3-0324:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HABANA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=OMPI_MCA_btl_vader_single_copy_mechanism=none \
    --env=PT_HPU_ENABLE_LAZY_COLLECTIVES=true \
    --env=PT_HPU_WEIGHT_SHARING=0 \
    --env=PT_HPU_LAZY_MODE=1 \
    --env=VLLM_MLA_DISABLE_REQUANTIZATION=1 \
    --env=VLLM_ENABLE_EXPERT_PARALLEL=1 \
    IMAGE-FROM-VENDOR \
    -m vllm.entrypoints.openai.api_server \
    --model /srv/models/deepseek-v3-0324 \
    --served-model-name deepseek-v3-0324 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --trust-remote-code \
    --block-size 128 \
    --device hpu \
    --dtype bfloat16 \
    --use-v2-block-manager \
    --distributed_executor_backend mp \
    --kv-cache-dtype fp8_inc \
    --enable-expert-parallel

### r1
# image: HabanaAI/vllm-fork installed on vault.habana.ai/gaudi-docker's pytorch-installer for your driver
# R1 and V3 need static FP8 weights made with convert_block_fp8_to_channel_fp8.py
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=python3 \
    --runtime=habana \
    --ipc=host \
    --cap-add=sys_nice \
    --volume=/srv/models/deepseek-r1-0528:/srv/models/deepseek-r1-0528:ro \
    --env=HF_HUB_OFFLINE=1 \
    --env=TRANSFORMERS_OFFLINE=1 \
    --env=VLLM_NO_USAGE_STATS=1 \
    --env=DO_NOT_TRACK=1 \
    --env=HABANA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 \
    --env=OMPI_MCA_btl_vader_single_copy_mechanism=none \
    --env=PT_HPU_ENABLE_LAZY_COLLECTIVES=true \
    --env=PT_HPU_WEIGHT_SHARING=0 \
    --env=PT_HPU_LAZY_MODE=1 \
    --env=VLLM_MLA_DISABLE_REQUANTIZATION=1 \
    --env=VLLM_ENABLE_EXPERT_PARALLEL=1 \
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
    --block-size 128 \
    --device hpu \
    --dtype bfloat16 \
    --use-v2-block-manager \
    --distributed_executor_backend mp \
    --kv-cache-dtype fp8_inc \
    --enable-expert-parallel
