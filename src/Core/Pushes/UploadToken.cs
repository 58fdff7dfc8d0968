using System.Globalization;
using System.Text;
using OrleansCache.Core.Objects;

namespace OrleansCache.Core.Pushes;

/// <summary>
/// The id of a grant as clients see it: everything a report needs to check the store, so that a report costs one statement.
/// What it says is believed only as far as the catalog's row agrees: a report names the row by id, and the row's claimant must be the push.
/// </summary>
internal readonly record struct UploadToken(long Object, ObjectKey Key, long NarSize, string? Multipart)
{
    public static bool TryParse(string? text, out UploadToken token)
    {
        token = default;
        var parts = text?.Split('~');
        if (parts is not { Length: 4 }
            || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            || !ObjectKey.TryParse($"nar/{parts[1]}", out var key)
            || !long.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var size))
            return false;
        try
        {
            token = new UploadToken(id, key, size, parts[3].Length == 0 ? null : Encoding.UTF8.GetString(Convert.FromHexString(parts[3])));
            return true;
        }
        catch (FormatException)
        {
            return false;
        }
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Object}~{Key.ToString()["nar/".Length..]}~{NarSize}~{(Multipart is null ? "" : Convert.ToHexStringLower(Encoding.UTF8.GetBytes(Multipart)))}");
}
