### distill
# R1 was published as W4A8 on 8 BW1000 and as channel-wise INT8 on 8 BW1100 or 16 BW1000; FP8 is for BW1100 alone
# W4A8 weights say themselves how they are to be read; channel-wise ones do not
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
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
    gpustack/runner:dtk26.04-vllm0.18.1 serve /srv/models/deepseek-r1-distill-qwen-7b \
    --served-model-name deepseek-r1-distill-qwen-7b \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 2 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --reasoning-parser deepseek_r1 \
    --dtype float16 \
    --gpu-memory-utilization 0.9 \
    --trust-remote-code \
    --distributed-executor-backend mp \
    --no-enable-prefix-caching \
    --disable-cascade-attn

### v3
# R1 was published as W4A8 on 8 BW1000 and as channel-wise INT8 on 8 BW1100 or 16 BW1000; FP8 is for BW1100 alone
# W4A8 weights say themselves how they are to be read; channel-wise ones do not
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
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
    --env=VLLM_HCU_USE_FLASHMLA=1 \
    --env=LMSLIM_USE_GLOBAL_MOE_CACHE=1 \
    --env=VLLM_HCU_USE_CAT_MLA=1 \
    gpustack/runner:dtk26.04-vllm0.18.1 serve /srv/models/deepseek-v3-0324 \
    --served-model-name deepseek-v3-0324 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --trust-remote-code \
    --dtype bfloat16 \
    --gpu-memory-utilization 0.9 \
    --max-num-batched-tokens 16384 \
    --no-enable-prefix-caching \
    --quantization slimquant_marlin \
    --speculative-config '{"method":"deepseek_mtp","num_speculative_tokens":3,"quantization":"slimquant_marlin"}'

### r1
# R1 was published as W4A8 on 8 BW1000 and as channel-wise INT8 on 8 BW1100 or 16 BW1000; FP8 is for BW1100 alone
# W4A8 weights say themselves how they are to be read; channel-wise ones do not
docker run \
    --rm \
    --name=deepseek \
    --pull=never \
    --network=host \
    --entrypoint=vllm \
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
    --env=VLLM_HCU_USE_FLASHMLA=1 \
    --env=LMSLIM_USE_GLOBAL_MOE_CACHE=1 \
    --env=VLLM_HCU_USE_CAT_MLA=1 \
    gpustack/runner:dtk26.04-vllm0.18.1 serve /srv/models/deepseek-r1-0528 \
    --served-model-name deepseek-r1-0528 \
    --host 127.0.0.1 \
    --port 8000 \
    --tensor-parallel-size 8 \
    --max-model-len 16384 \
    --max-num-seqs 8 \
    --trust-remote-code \
    --reasoning-parser deepseek_r1 \
    --dtype bfloat16 \
    --gpu-memory-utilization 0.9 \
    --max-num-batched-tokens 16384 \
    --no-enable-prefix-caching \
    --quantization slimquant_marlin \
    --speculative-config '{"method":"deepseek_mtp","num_speculative_tokens":3,"quantization":"slimquant_marlin"}'
