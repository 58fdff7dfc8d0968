using System.Globalization;

namespace OrleansCache.Bench;

/// <summary>Twenty clients that push at once, each paths of its own: what the gateway's memory comes to.</summary>
internal sealed record ManyClients(int Clients, double Wall, double GatewayPeak, long NarBytes)
{
    private const int Count = 20;
    private static readonly int[] Megabytes = [24, 12, 6, 3, 2, 1, 1];

    /// <param name="lab">Where to.</param>
    /// <param name="content">A file with real bytes, cut into pieces that become store paths.</param>
    public static async Task<ManyClients> MeasureAsync(ServerLab lab, string content)
    {
        Console.Error.WriteLine($"{Count} clients at once");
        var folder = Path.Combine(lab.Options.Work, "pieces");
        var paths = await AddPathsAsync(folder, content);
        try
        {
            await using var server = await lab.StartServerAsync();
            ProcFs.Sync();
            var runs = await Task.WhenAll(paths.Select(p => lab.PushAsync(server, p)));
            return new ManyClients(Count, runs.Max(r => r.Wall), server.GatewayPeakMegabytes, Count * Megabytes.Sum() * 1_000_000L);
        }
        finally
        {
            await ChildRun.RunAsync("nix-store", ["--delete", .. paths.SelectMany(p => p)], NixSettings);
        }
    }

    private static Dictionary<string, string?> NixSettings => new() { ["NIX_CONFIG"] = "build-users-group =" };

    private static async Task<List<string[]>> AddPathsAsync(string folder, string content)
    {
        Directory.CreateDirectory(folder);
        try
        {
            await using var source = File.OpenRead(content);
            var all = new List<string[]>();
            for (var client = 0; client < Count; client++)
            {
                var files = new List<string>();
                foreach (var megabytes in Megabytes)
                {
                    // Real bytes, from the start again when they run out; the first ones make each piece different.
                    var piece = new byte[megabytes * 1_000_000];
                    for (var filled = 0; filled < piece.Length;)
                    {
                        if (source.Position == source.Length)
                            source.Position = 0;
                        filled += await source.ReadAsync(piece.AsMemory(filled));
                    }

                    BitConverter.TryWriteBytes(piece, client * Megabytes.Length + files.Count);
                    var file = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"bench-{client}-{files.Count}"));
                    await File.WriteAllBytesAsync(file, piece);
                    files.Add(file);
                }

                var added = await ChildRun.RunAsync("nix-store", ["--add", .. files], NixSettings);
                all.Add(added.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
            }

            return all;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
