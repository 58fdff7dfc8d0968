using System.Text.Json;
using System.Text.Json.Nodes;
using Npgsql;
using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>The values that open a push.</summary>
/// <param name="Operation">The caller's own.</param>
/// <param name="Roots">Positions in <paramref name="Paths"/>, from 1.</param>
/// <param name="Keys">Of logs and realisations that the client could send.</param>
/// <param name="Push">Its id, if this call opens it.</param>
/// <param name="Committers">Other publishers who may commit it.</param>
/// <param name="PathDigests">The declarations of its paths; the commit of a push with a pin compares them again.</param>
internal sealed record Opening(
    string Operation, byte[] Digest, TimeSpan Life, IReadOnlyList<StorePathHash> Paths, int[] Roots, IReadOnlyList<string> Keys,
    PushPin? Pin, OwnPush Push, IReadOnlyList<string>? Committers,
    byte[][]? PathDigests, Quotas Quotas)
{
    /// <summary>The pin may keep a closure that only an upstream completes.</summary>
    public bool PinsBoundaries { get; init; }

    public string? PinText
    {
        get
        {
            if (Pin is null)
                return null;
            var text = (JsonObject)JsonSerializer.SerializeToNode(Pin, ProtocolJson.Default.PushPin)!;
            if (PinsBoundaries)
                text["boundaries"] = true;
            return text.ToJsonString();
        }
    }
}

/// <param name="QuotaText">With <see cref="OpenOutcome.Quota"/>: what <see cref="Quotas.Check"/> reads.</param>
/// <param name="Group">Its trust group; null unless it is open.</param>
/// <param name="TrustsLegacy">Paths from before there were publishers are usable.</param>
internal sealed record OpenedPush(PushId Id, OpenOutcome Outcome, string? QuotaText, DateTime Expires, int? Group, bool TrustsLegacy,
    List<OpenedPath> Paths, List<string> MissingKeys)
{
    /// <summary>May this push rely on the path's bytes? A server has read them, or its own group has published them.</summary>
    public bool CanUse(OpenedPath path) => path.IsVerified || (path.Group is { } group ? group == Group : TrustsLegacy);
}

/// <param name="Index">Position in the request.</param>
/// <param name="Digest">The digest of its declaration: see <see cref="PathDigest"/>; null for a path from before there were
/// digests.</param>
/// <param name="Group">The trust group that published it; null for a path from before there were groups.</param>
/// <param name="IsVerified">A server has read its NAR.</param>
/// <param name="Signatures">Separated by spaces.</param>
internal sealed record OpenedPath(int Index, long Id, NodeState State, bool Promised, byte[]? Digest, int? Group, bool IsVerified,
    string Signatures);

/// <summary>A path's declared content, with references as ids.</summary>
/// <param name="Name">Empty when it is told later, as are <paramref name="Ca"/> and <paramref name="Digest"/>.</param>
/// <param name="Supersedes">The path is live with another content, which this one is to replace.</param>
/// <param name="Elsewhere">Who else is said to upload its NAR just now: it is declared, and the next wait claims it.</param>
internal sealed record Declaration(
    string Name, Sha256Hash NarHash, long NarSize, IReadOnlyList<long> References, string? Deriver, string? Ca, string Signatures,
    byte[]? Digest, bool Supersedes, Elsewhere? Elsewhere = null)
{
    public string? ElsewhereText => Elsewhere is { } elsewhere ? OutcomeText.Of(elsewhere) : null;
}

/// <param name="QuotaText">With <see cref="ClaimStatus.Quota"/>: what <see cref="Quotas.Check"/> reads.</param>
/// <param name="Uploader">With <see cref="ClaimStatus.Wait"/>: the push that uploads the NAR just now; null when the path is waited for in
/// another way.</param>
internal sealed record Claim(long Path, ClaimStatus Status, string? QuotaText, long Object, string? Key, Sha256Hash NarHash, long NarSize,
    string? Multipart, PushId? Uploader)
{
    /// <summary>What the cluster says of a path whose NAR another push uploads.</summary>
    public static Claim Uploaded(long path, Uploader by, long narSize) =>
        new(path, ClaimStatus.Wait, null, 0, null, by.NarHash, narSize, null, by.Push);
}

/// <param name="Paths">Those that the outcome is about: see <c>commit_push.sql</c>.</param>
/// <param name="Pin">The pin that the commit sets.</param>
/// <param name="Conflicts">Paths that other pushes published in the meantime, and that stay.</param>
internal sealed record Committed(CommitOutcome Outcome, long[] Paths, int Published, PinName? Pin, long[] Conflicts);

/// <param name="FileHash">Null: the client has not told it, and the server has not computed it.</param>
/// <param name="Findings">What the server saw in the NAR, where it has read it.</param>
internal sealed record CheckedUpload(UploadGrantId GrantId, Sha256Hash? FileHash, long FileSize, NarFindings? Findings);

/// <param name="Kind"><c>log</c> or <c>realisation</c>.</param>
internal sealed record ExtraObject(ObjectKey Key, string Kind, byte[] Content, StorePathHash Path);

internal static class FindingsParameters
{
    /// <summary>What was seen in uploads: how many hashes occur in each, the hashes, and whether there may be others.</summary>
    public static NpgsqlParameterCollection WithFindings(this NpgsqlParameterCollection parameters, IReadOnlyList<CheckedUpload> uploads) =>
        uploads.All(u => u.Findings is not null)
            ? parameters.With(uploads.Select(u => u.Findings!.Occurring.Length).ToArray())
                .With(uploads.SelectMany(u => u.Findings!.Occurring).Select(h => h.ToArray()).ToArray())
                .With(uploads.Select(u => u.Findings!.IsPartial).ToArray())
            : parameters.WithNullable(null, NpgsqlDbType.Array | NpgsqlDbType.Integer)
                .WithNullable(null, NpgsqlDbType.Array | NpgsqlDbType.Bytea).WithNullable(null, NpgsqlDbType.Array | NpgsqlDbType.Boolean);
}
