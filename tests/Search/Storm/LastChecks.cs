using System.Diagnostics;
using System.Globalization;
using System.Text;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;
using OrleansCache.Testing;

namespace OrleansCache.Storm;

/// <summary>
/// After the storm: 1. catalog and bucket come to agree; 2. so they do after a collection that leaves nothing but what is pinned;
/// 3. the bucket says what the pins are; 4. no narinfo lies; 5. Nix gets every pinned closure, from a gateway and from the bucket.
/// </summary>
internal sealed class LastChecks(StormOptions options, StormReport tally, Fleet fleet, ObjectBucket bucket, Api api, Action<string> say)
{
    // Fences, leases and the take-over of a collection pass within a minute; then what is left is done.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    public async Task RunAsync(Random random)
    {
        // 1
        await AgreeAsync("after the storm");
        // 2
        var collector = new CollectLoop(api, tally, random);
        await collector.CollectAsync(new GcRequest { OlderThanSeconds = 0.001, Force = true }, cancels: false,
            calm: new CancellationToken(canceled: true), tally.Violated);
        await AgreeAsync("after everything that is not pinned was collected");
        // 3
        var pins = (await api.PinsAsync(tally.Violated)).Pins;
        tally.Count("end: pins", pins.Count);
        var said = await bucket.KeysAsync("pins/");
        foreach (var key in said.Where(key => pins.All(pin => $"pins/{pin.Name}" != key)))
            tally.Violation($"I7: {key} is in the bucket, and there is no such pin");
        foreach (var pin in pins)
        {
            var text = await bucket.ReadAsync($"pins/{pin.Name}");
            if (text is null || Encoding.UTF8.GetString(text) != pin.Path.ToString())
                tally.Violation($"I7: pin {pin} is '{(text is null ? "" : Encoding.UTF8.GetString(text))}' in the bucket");
        }

        // 4
        foreach (var hole in await CacheScan.FindHolesAsync(bucket))
            tally.Violation($"I1 at the end: {hole}");
        foreach (var wrong in await CacheScan.FindWrongBytesAsync(bucket, fleet.PublicKey))
            tally.Violation($"at the end: {wrong}");
        // 5
        if (pins.Count == 0)
            return;
        foreach (var substituter in new[] { fleet.Gateways[random.Next(options.Gateways)].Url.ToString(), bucket.Url })
            await SubstituteAsync(substituter, pins);
    }

    private async Task AgreeAsync(string when)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var run = await CacheCli.RunAsync("fsck", "--url", fleet.Gateways[0].Url.ToString(), "--token-file", fleet.TokenFile);
            tally.Event($"fsck {when}, {clock.Elapsed.TotalSeconds:0.0} s: {run.ExitCode}\n{run.Output}{run.Errors}");
            if (run.ExitCode == 0)
            {
                say(string.Create(CultureInfo.InvariantCulture,
                    $"fsck {when}: clean after {clock.Elapsed.TotalSeconds:0} s ({run.Output.Trim()})"));
                return;
            }

            if (clock.Elapsed > Patience)
            {
                tally.Violation($"I6: {when}, fsck still finds after {clock.Elapsed.TotalSeconds:0} s:\n{run.Output}{run.Errors}");
                return;
            }

            await Task.Delay(TimeSpan.FromSeconds(2));
        }
    }

    private async Task SubstituteAsync(string substituter, IReadOnlyList<Pin> pins)
    {
        var nix = NixTool.Installed ?? throw new InvalidOperationException("No Nix is installed.");
        using var store = new TempFolder("oc-read-");
        var run = await nix.SubstituteAsync(store.Path, substituter, fleet.PublicKey, pins.Select(pin => pin.Path.ToString()).Distinct());
        if (run.ExitCode != 0)
            tally.Violation($"Nix does not get the pinned closures from {substituter}: {run.Output}{run.Errors}");
        else if (await nix.VerifyAsync(store.Path) is { ExitCode: not 0 } wrong)
            tally.Violation($"what Nix got from {substituter} is wrong: {wrong.Output}{wrong.Errors}");
        else
            say($"Nix got the closures of {pins.Count} pins from {substituter}: " +
                $"{Directory.GetFileSystemEntries(Path.Combine(store.Path, "nix/store")).Length} paths");
    }
}
