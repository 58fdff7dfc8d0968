using System.Diagnostics;
using System.Globalization;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Storm;

/// <summary>
/// After the storm, of one cache: 1. its rotations end; 2. catalog and bucket come to agree; 3. so they do after a collection that leaves
/// nothing but what is pinned; 4. the bucket says what the pins are; 5. no narinfo lies, each is signed by all keys that are active, and none
/// by another cache's; 6. Nix gets every pinned closure, from a gateway and from the bucket.
/// </summary>
internal sealed class LastChecks(StormOptions options, StormReport tally, Fleet fleet, StormCache cache, IReadOnlyList<StormCache> all,
    Action<string> say)
{
    // Fences, leases and the take-over of a collection pass within a minute; then what is left is done.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    // A key signs what was there in several rounds, which begin 90 s after it was made.
    private static readonly TimeSpan PatienceForKeys = TimeSpan.FromMinutes(8);

    public async Task RunAsync(Random random)
    {
        // 1
        await SettleKeysAsync();
        // 2
        await AgreeAsync("after the storm");
        // 3
        var collector = new CollectLoop(cache.Admin, tally, random);
        await collector.CollectAsync(new GcRequest { OlderThanSeconds = 0.001, Force = true }, cancels: false,
            calm: new CancellationToken(canceled: true), tally.Violated);
        await AgreeAsync("after everything that is not pinned was collected");
        // 4
        var pins = (await cache.Admin.PinsAsync(tally.Violated)).Pins;
        tally.Count("end: pins", pins.Count);
        var said = await cache.KeysAsync("pins/");
        foreach (var key in said.Where(key => pins.All(pin => $"pins/{pin.Name}" != key)))
            tally.Violation($"I7: {key} is in the bucket, and there is no such pin");
        foreach (var pin in pins)
        {
            var text = await cache.ReadAsync($"pins/{pin.Name}");
            if (text is null || Encoding.UTF8.GetString(text) != pin.Path.ToString())
                tally.Violation($"I7: pin {pin} is '{(text is null ? "" : Encoding.UTF8.GetString(text))}' in the bucket");
        }

        // 5
        foreach (var hole in await CacheScan.FindHolesAsync(cache))
            tally.Violation($"I1 at the end, cache {cache.Name}: {hole}");
        foreach (var key in cache.Keys.Keys)
        {
            foreach (var wrong in await CacheScan.FindWrongBytesAsync(cache, key.ToString()))
                tally.Violation($"at the end, cache {cache.Name}: {wrong}");
        }

        await CheckSignersAsync();
        // 6
        if (pins.Count == 0)
            return;
        foreach (var substituter in new[] { cache.UrlAt(fleet.Gateways[random.Next(options.Gateways)]), cache.Url })
            await SubstituteAsync(substituter, pins);
    }

    // From here on readers trust what signs, and nothing else.
    private async Task SettleKeysAsync()
    {
        if (cache.IsDefault)
            return;
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var keys = (await cache.Admin.KeysAsync(tally.Violated)).Keys;
            var active = keys.Where(key => key.State == KeyState.Active).ToList();
            if (!keys.Any(key => key.Signing) && active.Count == 1)
            {
                cache.Keys.Become(active.Select(key => PublicKey.Parse(key.PublicKey)));
                say(string.Create(CultureInfo.InvariantCulture,
                    $"cache {cache.Name} is signed by {active[0].Name} after {clock.Elapsed.TotalSeconds:0} s, the last of {keys.Count} keys"));
                return;
            }

            if (clock.Elapsed > PatienceForKeys)
            {
                tally.Violation($"the keys of cache {cache.Name} are not rotated after {clock.Elapsed.TotalSeconds:0} s: " +
                    string.Join(", ", keys.Select(key => $"{key.Name} {key.State}{(key.Signing ? $" signing {key.Progress}" : "")}")));
                return;
            }

            await Task.Delay(TimeSpan.FromSeconds(2));
        }
    }

    private async Task CheckSignersAsync()
    {
        var others = all.Where(other => other != cache).SelectMany(other => other.Keys.Keys).Select(key => key.Name).ToHashSet();
        foreach (var info in await CacheScan.NarInfosAsync(cache))
        {
            if (info.Signatures.FirstOrDefault(s => others.Contains(s.Split(':')[0])) is { } foreign)
                tally.Violation($"{info.StorePath} in cache {cache.Name} is signed by another cache's key: {foreign}");
        }
    }

    private async Task AgreeAsync(string when)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var run = await CacheCli.RunAsync("fsck", "--url", fleet.Gateways[0].Url.ToString(), "--token-file", fleet.TokenFile,
                "--cache", cache.Name);
            tally.Event($"fsck of cache {cache.Name} {when}, {clock.Elapsed.TotalSeconds:0.0} s: {run.ExitCode}\n{run.Output}{run.Errors}");
            if (run.ExitCode == 0)
            {
                say(string.Create(CultureInfo.InvariantCulture,
                    $"fsck of cache {cache.Name} {when}: clean after {clock.Elapsed.TotalSeconds:0} s ({run.Output.Trim()})"));
                return;
            }

            if (clock.Elapsed > Patience)
            {
                tally.Violation($"I6: {when}, fsck of cache {cache.Name} still finds after {clock.Elapsed.TotalSeconds:0} s:\n{run.Output}{run.Errors}");
                return;
            }

            await Task.Delay(TimeSpan.FromSeconds(2));
        }
    }

    private async Task SubstituteAsync(string substituter, IReadOnlyList<Pin> pins)
    {
        var nix = NixTool.Installed ?? throw new InvalidOperationException("No Nix is installed.");
        using var store = new TempFolder("oc-read-");
        var run = await nix.SubstituteAsync(store.Path, substituter, string.Join(' ', cache.Keys.Keys),
            pins.Select(pin => pin.Path.ToString()).Distinct());
        if (run.ExitCode != 0)
            tally.Violation($"Nix does not get the pinned closures from {substituter}: {run.Output}{run.Errors}");
        else if (await nix.VerifyAsync(store.Path) is { ExitCode: not 0 } wrong)
            tally.Violation($"what Nix got from {substituter} is wrong: {wrong.Output}{wrong.Errors}");
        else
            say($"Nix got the closures of {pins.Count} pins from {substituter}: " +
                $"{Directory.GetFileSystemEntries(Path.Combine(store.Path, "nix/store")).Length} paths");
    }
}
