using OrleansCache.Cli.Http;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Storm;

/// <summary>
/// Looks into the bucket whether a pinned closure is what the fleet declares of it, whoever else has pushed something under its paths.
/// </summary>
internal sealed class Declared(Universe universe, BucketReader bucket, RetryPolicy retry, StormReport tally)
{
    private readonly Dictionary<StorePathHash, Package> _packages = universe.Packages.ToDictionary(p => p.Path.Hash);

    public async Task CheckAsync(PinName pin, StorePath root, CancellationToken cancellationToken)
    {
        tally.Count("pinned declarations checked");
        var seen = new HashSet<StorePathHash> { root.Hash };
        var left = new Stack<StorePathHash>([root.Hash]);
        while (left.TryPop(out var path))
        {
            var info = await retry.RunAsync("reading a narinfo", c => bucket.NarInfoAsync(path, c), cancellationToken);
            if (info is null || !_packages.TryGetValue(path, out var package) || package.Path != info.StorePath
                || !package.Builds.Any(build => Is(build, info)))
            {
                tally.Violation(
                    $"H10: pin {pin} was pushed with {root.BaseName}, and of {path} nobody of the fleet declares what is there: " +
                    $"{(info is null ? "nothing" : info.Print())}");
                return;
            }

            foreach (var reference in info.References.Where(r => seen.Add(r.Hash)))
                left.Push(reference.Hash);
        }
    }

    private bool Is(Build build, NarInfo info) =>
        build.NarHash == info.NarHash && build.Nar.Length == info.NarSize && info.Ca is null && info.References.ToHashSet()
            .SetEquals(build.References.Select(r => universe.Packages[r].Path));
}
