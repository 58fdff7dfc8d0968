using System.Globalization;

namespace OrleansCache.Bench.Cluster;

/// <summary>What a fleet has made of NARs that many pushes share.</summary>
/// <param name="Count">Different NARs.</param>
/// <param name="NotStoredOnce">Of them: those that are not live in one object, or were stored in another beside.</param>
/// <param name="Live">Objects of theirs that are live.</param>
/// <param name="NotLive">Objects that are not: claims that were not used, and copies that nobody needs.</param>
/// <param name="Readings">How often servers have read one of them, to know that it is what was declared.</param>
internal sealed record SharedNars(long Count, long NotStoredOnce, long Live, long NotLive, long Readings);

/// <summary>Asks a fleet about the NARs of a closure.</summary>
internal sealed class StoredNars(Fleet fleet, Cargo cargo)
{
    private const string Counter = "orleans_cache_verifications_total";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    // Beyond the time for which a server shows the same metrics again.
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(500);

    private readonly byte[][] _hashes = [.. cargo.Nars.Values.Select(nar => nar.Hash).Distinct().Select(hash => hash.ToArray())];

    /// <param name="readings">As they were counted.</param>
    public async Task<SharedNars> AskAsync(long readings)
    {
        await using var source = fleet.OpenCatalog();
        // A file size is reported with an upload.
        await using var command = source.CreateCommand("""
            select count(*) filter (where o.live <> 1 or o.copies > 0), sum(o.live)::bigint, sum(o.others)::bigint
            from unnest($1) n(hash) cross join lateral (
              select count(*) filter (where o.state = 'live') as live, count(*) filter (where o.state <> 'live') as others,
                count(*) filter (where o.state <> 'live' and o.file_size is not null) as copies
              from object o where o.kind = 'nar' and o.nar_hash = n.hash) o
            """);
        command.Parameters.AddWithValue(_hashes);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return new SharedNars(_hashes.Length, reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), readings);
    }

    /// <summary>
    /// How often the members have read something in the store to verify it, but for other NARs, of which each that was read has a proof:
    /// the scrub goes on beside. Only a difference says something. It waits until nothing is to be read.
    /// </summary>
    public async Task<long> CountReadingsAsync()
    {
        await using var source = fleet.OpenCatalog();
        await using var command = source.CreateCommand("""
            select (select count(*) from proof p join object o on o.id = p.object_id where not o.nar_hash = any($1)),
              exists (select from verification)
            """);
        command.Parameters.AddWithValue(_hashes);
        using var http = new HttpClient();
        using var patience = new CancellationTokenSource(Patience);
        var before = await AskAsync();
        while (true)
        {
            await Task.Delay(Settling, CancellationToken.None); // A reading that has begun shows when it ends.
            var readings = (await Task.WhenAll(fleet.Urls.Select(url => http.GetStringAsync(new Uri(url, "/metrics"))))).Sum(Read);
            var after = await AskAsync();
            if (patience.IsCancellationRequested || after == before && !after.IsBusy)
                return readings - after.Others;
            before = after;
        }

        async Task<(long Others, bool IsBusy)> AskAsync()
        {
            await using var reader = await command.ExecuteReaderAsync();
            await reader.ReadAsync();
            return (reader.GetInt64(0), reader.GetBoolean(1));
        }
    }

    // A line is name{labels} value, and perhaps a time.
    private static long Read(string metrics)
    {
        var lines = metrics.Split('\n').Where(line => line.StartsWith(Counter, StringComparison.Ordinal)).ToList();
        return lines.Count > 0
            ? lines.Sum(line => long.Parse(line[(line.IndexOf('}', StringComparison.Ordinal) + 1)..].Trim().Split(' ')[0],
                CultureInfo.InvariantCulture))
            : throw new BenchException($"a server's metrics lack {Counter}");
    }
}
