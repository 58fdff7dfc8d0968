using System.Globalization;
using System.Text;
using OrleansCache.Core.Objects;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>
/// The id of a grant as clients see it: everything a report needs to check the store, so that a report costs one statement.
/// What it says is believed only as far as the catalog's row agrees: id, key, NAR hash and claimant must be the row's.
/// </summary>
internal readonly record struct UploadToken(long Object, ObjectKey Key, Sha256Hash NarHash, long NarSize, string? Multipart)
{
    public static bool TryParse(string? text, out UploadToken token)
    {
        token = default;
        var parts = text?.Split('~');
        if (parts is not { Length: 5 }
            || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            || !ObjectKey.TryParse($"nar/{parts[1]}", out var key)
            || !long.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var size)
            || !Sha256Hash.TryParse("sha256:" + parts[3], out var narHash))
            return false;
        try
        {
            token = new UploadToken(id, key, narHash, size, parts[4].Length == 0 ? null : Encoding.UTF8.GetString(Convert.FromHexString(parts[4])));
            return true;
        }
        catch (FormatException)
        {
            return false;
        }
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Object}~{Key.ToString()["nar/".Length..]}~{NarSize}~{NarHash.ToNix32()}~{(Multipart is null ? "" : Convert.ToHexStringLower(Encoding.UTF8.GetBytes(Multipart)))}");
}
