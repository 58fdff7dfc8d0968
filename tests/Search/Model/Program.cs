using OrleansCache.Model.Tests;

return await ModelProgram.RunAsync(args, gateways: 2, cluster: null, Mutants.All);
