using OrleansCache.ClusterModel.Tests;
using OrleansCache.Model.Tests;

return await ModelProgram.RunAsync(args, ModelCluster.Silos, await ModelCluster.Started, ClusterMutants.All);
