namespace OrleansCache.Bench;

/// <summary>One push or collection, and what it cost all who had a part in it.</summary>
/// <param name="Client">Of the client and the Nix that it asks.</param>
/// <param name="StoreCpu">Processor seconds of an S3 server; 0 without one.</param>
/// <param name="GatewayPeak">In MiB, since the server's start.</param>
/// <param name="Objects">In the store afterwards.</param>
internal sealed record MeasuredRun(ChildRun Client, double GatewayCpu, double PostgresCpu, double StoreCpu, double GatewayPeak, int Objects)
{
    /// <summary>Processor seconds of the client, the gateway and PostgreSQL.</summary>
    public double Cpu => Client.Cpu + GatewayCpu + PostgresCpu;

    /// <summary>Measures runs against a server that nobody else uses.</summary>
    /// <param name="times">So many in a row, and the mean of them: Linux counts a server's processor time in hundredths of a
    /// second.</param>
    public static async Task<MeasuredRun> MeasureAsync(ServerLab lab, CacheServer server, Func<Task<ChildRun>> run, int times = 1)
    {
        ProcFs.Sync();
        var (gateway, postgres, store) = (server.GatewayCpu, server.PostgresCpu, lab.S3?.Cpu ?? 0);
        var clients = new List<ChildRun>();
        while (clients.Count < times)
            clients.Add(await run());
        (gateway, postgres, store) = (server.GatewayCpu - gateway, server.PostgresCpu - postgres, (lab.S3?.Cpu ?? 0) - store);
        var client = clients[^1] with
        {
            Wall = clients.Average(c => c.Wall),
            Cpu = clients.Average(c => c.Cpu),
            PeakMegabytes = clients.Max(c => c.PeakMegabytes)
        };
        return new MeasuredRun(client, gateway / times, postgres / times, store / times, server.GatewayPeakMegabytes,
            await lab.CountObjectsAsync(server));
    }
}
