using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace OrleansCache.Gateway.Tls;

/// <summary>
/// What a certificate says of its owner, in the form of a token's claims, so that the same rules read both: <c>subject</c>, <c>issuer</c>
/// (RFC 4514 text), <c>serial</c>, <c>fingerprint</c> (hexadecimal), and the lists <c>cn</c>, <c>o</c>, <c>ou</c>, <c>dns</c>,
/// <c>email</c>, <c>uri</c>, <c>ip</c>. <c>name</c> is the first of <c>uri</c> or <c>dns</c>, else the subject: what tells owners apart
/// unless a rule says otherwise. It begins with its kind (<c>dns:</c>), as one owner's subject may read like another's name.
/// </summary>
internal static class CertificateClaims
{
    private const string AlternativeNames = "2.5.29.17";

    // RFC 5280, section 4.2.1.6.
    private const int Mail = 1, Dns = 2, Uri = 6, Address = 7;

    /// <exception cref="FormatException">A name cannot be read, or could be read in two ways.</exception>
    public static JsonElement Of(X509Certificate2 certificate)
    {
        var subject = new DistinguishedName(certificate.SubjectName);
        var names = ReadAlternatives(certificate);
        var claims = new JsonObject
        {
            ["subject"] = subject.ToString(),
            ["issuer"] = new DistinguishedName(certificate.IssuerName).ToString(),
            ["serial"] = certificate.SerialNumber.ToLowerInvariant(),
            ["fingerprint"] = certificate.GetCertHashString(HashAlgorithmName.SHA256).ToLowerInvariant(),
            ["name"] = names.Find(n => n.Kind == Uri).Text is { } uri ? $"uri:{uri}"
                : names.Find(n => n.Kind == Dns).Text is { } dns ? $"dns:{dns}" : $"subject:{subject}",
        };
        Add("cn", subject.Values(DistinguishedName.CommonName));
        Add("o", subject.Values(DistinguishedName.Organization));
        Add("ou", subject.Values(DistinguishedName.OrganizationalUnit));
        Add("dns", Texts(Dns));
        Add("email", Texts(Mail));
        Add("uri", Texts(Uri));
        Add("ip", Texts(Address));
        return JsonSerializer.SerializeToElement(claims);

        IEnumerable<string> Texts(int kind) => names.Where(n => n.Kind == kind).Select(n => n.Text);

        void Add(string claim, IEnumerable<string> values)
        {
            string[] all = [.. values];
            // Programs disagree on where such a text ends.
            if (Array.Exists(all, value => value.Any(char.IsControl)))
                throw new FormatException($"'{claim}' has a control character");
            if (all.Length > 0)
                claims[claim] = new JsonArray([.. all.Select(value => JsonValue.Create(value))]);
        }
    }

    private static List<(int Kind, string Text)> ReadAlternatives(X509Certificate2 certificate)
    {
        var found = new List<(int, string)>();
        if (certificate.Extensions[AlternativeNames] is not { } extension)
            return found;
        try
        {
            for (var names = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence(); names.HasData;)
            {
                var tag = names.PeekTag();
                if (tag.TagClass == TagClass.ContextSpecific && tag.TagValue is Mail or Dns or Uri)
                {
                    var text = names.ReadCharacterString(UniversalTagNumber.IA5String, tag);
                    found.Add((tag.TagValue, tag.TagValue == Dns ? text.ToLowerInvariant() : text));
                }
                else if (tag.TagClass == TagClass.ContextSpecific && tag.TagValue == Address)
                {
                    found.Add((Address, new IPAddress(names.ReadOctetString(tag)).ToString()));
                }
                else
                {
                    names.ReadEncodedValue();
                }
            }

            return found;
        }
        catch (Exception e) when (e is AsnContentException or ArgumentException)
        {
            throw new FormatException("its alternative names cannot be read", e);
        }
    }
}
