namespace OrleansCache.Bench;

/// <summary>One push, and what it cost all who had a part in it.</summary>
/// <param name="Client">Of the client and the Nix that it asks.</param>
/// <param name="StoreCpu">Processor seconds of an S3 server; 0 without one.</param>
/// <param name="GatewayPeak">In MiB, since the server's start.</param>
/// <param name="Objects">In the store afterwards.</param>
internal sealed record MeasuredPush(ChildRun Client, double GatewayCpu, double PostgresCpu, double StoreCpu, double GatewayPeak, int Objects)
{
    /// <summary>Processor seconds of the client, the gateway and PostgreSQL.</summary>
    public double Cpu => Client.Cpu + GatewayCpu + PostgresCpu;

    /// <summary>Measures a push to a server that nobody else uses.</summary>
    public static async Task<MeasuredPush> MeasureAsync(Lab lab, CacheServer server, Func<Task<ChildRun>> push)
    {
        ProcFs.Sync();
        var (gateway, postgres, store) = (server.GatewayCpu, server.PostgresCpu, lab.S3?.Cpu ?? 0);
        var client = await push();
        (gateway, postgres, store) = (server.GatewayCpu - gateway, server.PostgresCpu - postgres, (lab.S3?.Cpu ?? 0) - store);
        return new MeasuredPush(client, gateway, postgres, store, server.GatewayPeakMegabytes, await lab.CountObjectsAsync(server));
    }
}
