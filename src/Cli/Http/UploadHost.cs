using System.Security.Cryptography;
using OrleansCache.Nix;
using OrleansCache.Protocol;

namespace OrleansCache.Cli.Http;

/// <summary>Finds out where the server sends uploads: only a push is told, so one is begun with a path that nobody has, and ended at once.</summary>
internal static class UploadHost
{
    /// <returns>The root of the store that an upload would go to; null when the server grants none just now.</returns>
    public static async Task<Uri?> FindAsync(Api api, CancellationToken cancellationToken)
    {
        var path = StorePath.Parse($"{StorePathHash.FromBytes(RandomNumberGenerator.GetBytes(20))}-orleans-cache-doctor");
        var opened = await api.BeginAsync(
            new BeginPush
            {
                Roots = [path.Hash],
                Paths = [new PathDeclaration { Path = path, NarHash = Sha256Hash.FromBytes(RandomNumberGenerator.GetBytes(32)), NarSize = 120, References = [] }],
                Logs = [],
                Realisations = [],
            },
            Guid.NewGuid().ToString("N"), cancellationToken);
        try
        {
            var url = opened.Uploads.Select(grant => grant.Url ?? (grant.Parts.Count > 0 ? grant.Parts[0] : null)).FirstOrDefault(given => given is not null);
            return url is null ? null : new Uri(url.GetLeftPart(UriPartial.Authority));
        }
        finally
        {
            await api.AbortAsync(opened.Id, cancellationToken);
        }
    }
}
