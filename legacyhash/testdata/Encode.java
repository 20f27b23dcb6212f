import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Pattern;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import org.bouncycastle.crypto.generators.Argon2BytesGenerator;
import org.bouncycastle.crypto.generators.OpenBSDBCrypt;
import org.bouncycastle.crypto.generators.SCrypt;
import org.bouncycastle.crypto.params.Argon2Parameters;

/**
 * Makes hashes in the formats of Spring Security with the libraries that it calls: the JDK and
 * Bouncy Castle. Only for bcrypt, Spring has its own code. The program reads a JSON array in which
 * ids and passwords in base64 alternate, and writes a JSON array of hashes.
 */
class Encode {
    static byte[] salt(int size) {
        byte[] salt = new byte[size];
        new SecureRandom().nextBytes(salt);
        return salt;
    }

    static String hex(byte[]... parts) {
        StringBuilder text = new StringBuilder();
        for (byte[] part : parts) text.append(HexFormat.of().formatHex(part));
        return text.toString();
    }

    static byte[] join(byte[] a, byte[] b) {
        byte[] both = new byte[a.length + b.length];
        System.arraycopy(a, 0, both, 0, a.length);
        System.arraycopy(b, 0, both, a.length, b.length);
        return both;
    }

    static String pbkdf2(String name, String password, int saltSize, int iterations) throws Exception {
        byte[] salt = salt(saltSize);
        PBEKeySpec spec = new PBEKeySpec(password.toCharArray(), salt, iterations, 256);
        return hex(salt, SecretKeyFactory.getInstance(name).generateSecret(spec).getEncoded());
    }

    static String digest(String name, String password) throws Exception {
        String salt = "{" + Base64.getEncoder().encodeToString(salt(32)) + "}";
        return salt + hex(MessageDigest.getInstance(name).digest((password + salt).getBytes(StandardCharsets.UTF_8)));
    }

    static String encode(String id, String password) throws Exception {
        byte[] text = password.getBytes(StandardCharsets.UTF_8);
        switch (id) {
        case "{bcrypt}":
            return OpenBSDBCrypt.generate("2a", text, salt(16), 4);
        case "{argon2}": {
            byte[] salt = salt(16), hash = new byte[32];
            Argon2BytesGenerator generator = new Argon2BytesGenerator();
            generator.init(new Argon2Parameters.Builder(Argon2Parameters.ARGON2_id).withSalt(salt).withParallelism(2)
                    .withMemoryAsKB(64).withIterations(3).build());
            generator.generateBytes(password.toCharArray(), hash);
            Base64.Encoder base64 = Base64.getEncoder().withoutPadding();
            return "$argon2id$v=19$m=64,t=3,p=2$" + base64.encodeToString(salt) + "$" + base64.encodeToString(hash);
        }
        case "{scrypt}": {
            byte[] salt = salt(64);
            Base64.Encoder base64 = Base64.getEncoder();
            return "$80802$" + base64.encodeToString(salt) + "$"
                    + base64.encodeToString(SCrypt.generate(text, salt, 1 << 8, 8, 2, 32));
        }
        case "{pbkdf2}":
            return pbkdf2("PBKDF2WithHmacSHA1", password, 8, 185000);
        case "{pbkdf2@SpringSecurity_v5_8}":
            return pbkdf2("PBKDF2WithHmacSHA256", password, 16, 310000);
        case "{sha256}": {
            byte[] salt = salt(8), sum = join(salt, text);
            for (int i = 0; i < 1024; i++) sum = MessageDigest.getInstance("SHA-256").digest(sum);
            return hex(salt, sum);
        }
        case "{ldap}": {
            byte[] salt = salt(8), sum = MessageDigest.getInstance("SHA-1").digest(join(text, salt));
            return "{SSHA}" + Base64.getEncoder().encodeToString(join(sum, salt));
        }
        default:
            return digest(id.substring(1, id.length() - 1), password);
        }
    }

    public static void main(String[] args) throws Exception {
        String input = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        List<String> answers = new ArrayList<>();
        String id = null;
        for (var text = Pattern.compile("\"([^\"]*)\"").matcher(input); text.find();) {
            if (id == null) {
                id = text.group(1);
                continue;
            }
            String password = new String(Base64.getDecoder().decode(text.group(1)), StandardCharsets.UTF_8);
            answers.add("\"" + id + encode(id, password) + "\"");
            id = null;
        }
        System.out.println("[" + String.join(",", answers) + "]");
    }
}
