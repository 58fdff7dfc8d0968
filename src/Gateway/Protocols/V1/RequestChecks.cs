using System.Buffers;
using System.Text;
using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>Checks the documented limits of a v1 body that its types do not express.</summary>
internal static class RequestChecks
{
    private const int MaxListing = 16 << 20;
    private const int MaxLog = 32 << 20;
    private const int MaxRealisation = 64 << 10;
    private const int MaxParts = 10_000;
    private const int Md5Digits = 32;

    private static readonly SearchValues<char> Hex = SearchValues.Create("0123456789abcdefABCDEF");

    /// <exception cref="CacheProblemException">It carries something malformed (<see cref="ProblemKind.BadRequest"/>) or too large
    /// (<see cref="ProblemKind.TooLarge"/>).</exception>
    public static UploadReport Checked(this UploadReport report)
    {
        foreach (var upload in report.Uploads)
        {
            if (upload.FileSize is < 1 or > NarInfo.MaxNarSize)
                throw Bad($"fileSize of the upload '{upload.Upload}' is {upload.FileSize}: 1 to {NarInfo.MaxNarSize} is wanted.");
            if (upload.Md5.Count > MaxParts || upload.Md5.Any(m => m.Length != Md5Digits || m.AsSpan().ContainsAnyExcept(Hex)))
                throw Bad(
                    $"md5 of the upload '{upload.Upload}' is not a list of at most {MaxParts} MD5s of {Md5Digits} hexadecimal digits.");
        }

        foreach (var listing in report.Listings)
            CheckFrames($"The listing of {listing.Path}", listing.Content, MaxListing);
        foreach (var log in report.Logs)
        {
            if (!log.Drv.IsDerivation)
                throw Bad($"{log.Drv} has no build log: only a derivation, whose name ends with .drv, has one.");
            CheckFrames($"The log of {log.Drv}", log.Content, MaxLog);
        }

        foreach (var realisation in report.Realisations)
            CheckRealisation(realisation);
        return report;
    }

    /// <exception cref="CacheProblemException">It asks about more paths than a push may have.</exception>
    public static WaitRequest Checked(this WaitRequest request, int maxPaths) => request.Paths.Count <= maxPaths
        ? request
        : throw new CacheProblemException(ProblemKind.TooLarge,
            $"{request.Paths.Count} paths were asked about; a push has at most {maxPaths}.");

    private static void CheckFrames(string what, byte[] content, int most)
    {
        if (content.Length > most)
            throw new CacheProblemException(ProblemKind.TooLarge, $"{what} has {content.Length} bytes; at most {most} are taken.");
        if (ZstdFrames.FindFault(content, Zstd.BodyWindowLog) is { } fault)
            throw Bad($"{what} is wanted as zstd, and {fault}.");
    }

    private static void CheckRealisation(RealisationContent realisation)
    {
        if (Encoding.UTF8.GetByteCount(realisation.Content) is > MaxRealisation and var length)
            throw new CacheProblemException(ProblemKind.TooLarge,
                $"The realisation {realisation.Id} has {length} bytes; at most {MaxRealisation} are taken.");
        try
        {
            using var json = JsonDocument.Parse(realisation.Content);
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                throw Bad($"The realisation {realisation.Id} is JSON, but no object.");
        }
        catch (JsonException e)
        {
            throw new CacheProblemException(ProblemKind.BadRequest, $"The realisation {realisation.Id} is not JSON: {e.Message}", inner: e);
        }
    }

    private static CacheProblemException Bad(string message) => new(ProblemKind.BadRequest, message);
}
